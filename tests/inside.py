"""What the tests see of a network's inside: no other test names what is private to it."""


def params(net):
    """Return the arena of all parameters, which training changes in place."""
    return net._params


def moments(net):
    """Return the optimiser's moments: two arenas, or None for each that it has not."""
    return net._moments


def generator(net):
    """Return the generator of orders and masks."""
    return net._rng


def steps(net):
    """Return the number of steps, of which Adam corrects its moments."""
    return net._steps


def described(net):
    """Return the hidden activations, the output's, the cost's name and its parameter."""
    parameter = {"huber": net._huber_delta, "quantile": net._quantile}.get(net._cost_name, 0.0)
    return net._activations, net._output_activation, net._cost_name, parameter
