"""What the tests see of a network's inside: no other test names what is private to it."""


def params(net):
    """Return the arena of all parameters, which training changes in place."""
    return net._model.params


def moments(net):
    """Return the optimiser's moments: two arenas, or None for each that it has not."""
    return net._model.training.moments


def generator(net):
    """Return the generator of orders and masks."""
    return net._model.rng


def steps(net):
    """Return the number of steps, of which Adam corrects its moments."""
    return net._model.training.counts.steps


def described(net):
    """Return the hidden activations, the output's, the cost's name and its parameter."""
    model = net._model
    return model.activations, model.output, model.cost, model.cost_parameter


def draw_with(net, rng):
    """Let a network draw its orders and masks with another generator."""
    net._model.rng = rng
