"""Arrays whose element type equals float32 or float64 but is another, or whose memory is odd."""

import itertools
import pickle

import h5py
import numpy as np
import pytest
import scipy.io

import fastdnn
from fastdnn._core import course
from fastdnn.estimators import MLPClassifier, MLPRegressor

rng = np.random.default_rng(0)
numbers = itertools.count()


def explicit(array, tmp_path=None):
    """Name this machine's byte order in the type, which stays equal to the plain one."""
    dtype = array.dtype.newbyteorder("<" if np.little_endian else ">")
    return array.astype(dtype).view(dtype)


def packed(array, tmp_path=None):
    """Lay the numbers in records of an odd size."""
    record = np.zeros(array.shape[:1], [("id", "u1"), ("x", array.dtype, array.shape[1:])])
    record["x"] = array
    return record["x"]


def at_odd_address(array, tmp_path=None):
    return np.frombuffer(b"0" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


def unpickled_at_odd_address(array, tmp_path=None):
    buffers = []
    pickled = pickle.dumps(explicit(array), protocol=5, buffer_callback=buffers.append)
    odd = [memoryview(bytearray(b"0" + bytes(buffer)))[1:] for buffer in buffers]
    return pickle.loads(pickled, buffers=odd)


class Named(np.ndarray):
    pass


GUISES = {
    "explicit order": explicit,
    "other order": lambda a, _: a.astype(a.dtype.newbyteorder()),
    "swapped": lambda a, _: (
        a.astype(a.dtype.newbyteorder()).byteswap().view(a.dtype.newbyteorder().newbyteorder())
    ),
    "packed": packed,
    "packed, explicit order": lambda a, _: packed(explicit(a)),
    "odd address": at_odd_address,
    "unpickled": unpickled_at_odd_address,
    "explicit order, strided": lambda a, _: explicit(np.repeat(a, 2, axis=0))[::2],
    "described": lambda a, _: a.astype(np.dtype(a.dtype, metadata={"unit": "m"})),
    "subclass": lambda a, _: explicit(a).view(Named),
    "read only": lambda a, _: np.frombuffer(a.tobytes(), explicit(a).dtype).reshape(a.shape),
    "recarray": lambda a, _: packed(explicit(a)).base.view(np.recarray).x,
    "memmap": lambda a, path: mapped(a, path),
    "MATLAB": lambda a, path: matlab(a, path),
    "HDF5": lambda a, path: stored(path, x=a)["x"],
}


def mapped(array, path):
    name = path / f"{next(numbers)}"
    array.tofile(name)
    return np.memmap(name, explicit(array).dtype, "r", 0, array.shape)


def matlab(array, path):
    # a vector comes back as a matrix, and every matrix in MATLAB's memory order
    scipy.io.savemat(path / "x.mat", {"x": array.T})
    return scipy.io.loadmat(path / "x.mat")["x"].T.reshape(array.shape)


def stored(path, **arrays):
    # an HDF5 file that is never written to disk
    file = h5py.File(path / f"{next(numbers)}.h5", "w", driver="core", backing_store=False)
    for name, array in arrays.items():
        file.create_dataset(name, data=array)
    return file


@pytest.fixture(params=GUISES)
def guise(request, tmp_path):
    return lambda array: GUISES[request.param](array, tmp_path)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


def assert_same(results, expected):
    """Compare to the last bit, and the types too."""
    if isinstance(expected, dict):
        assert results.keys() == expected.keys()
        results, expected = [[d[key] for key in expected] for d in (results, expected)]
    if isinstance(expected, (tuple, list)):
        assert len(results) == len(expected)
        for result, right in zip(results, expected, strict=True):
            assert_same(result, right)
        return
    np.testing.assert_array_equal(results, expected)
    assert np.asarray(results).dtype == expected.dtype
    # other programs can read the results' type
    if isinstance(results, np.ndarray) and results.flags.owndata and expected.dtype.kind == "f":
        assert memoryview(results).format in ("f", "d")


# --------------------------------------------------------------------------- the course's functions

SHAPES = {"A": (3, 5), "W": (4, 3), "b": (4, 1), "Z": (4, 5), "dA": (4, 5), "AL": (1, 5)}
SHAPES |= {"Y": (1, 5), "W2": (1, 4), "b2": (1, 1), "dW": (4, 3), "db": (4, 1)}
ARRAYS = {name: rng.uniform(0.1, 0.9, shape) for name, shape in SHAPES.items()}

CALLS = {
    "linear_forward": (lambda A, W, b: fastdnn.linear_forward(A, W, b)[0], "A W b"),
    "linear_activation_forward": (
        lambda A, W, b: fastdnn.linear_activation_forward(A, W, b, "relu")[0],
        "A W b",
    ),
    "L_model_forward": (
        lambda A, W, b, W2, b2: fastdnn.L_model_forward(A, {"W1": W, "b1": b, "W2": W2, "b2": b2})[
            0
        ],
        "A W b W2 b2",
    ),
    "compute_cost": (fastdnn.compute_cost, "AL Y"),
    "linear_backward": (lambda dA, A, W, b: fastdnn.linear_backward(dA, (A, W, b)), "dA A W b"),
    "linear_activation_backward": (
        lambda dA, A, W, b, Z: fastdnn.linear_activation_backward(dA, ((A, W, b), Z), "sigmoid"),
        "dA A W b Z",
    ),
    "L_model_backward": (
        lambda AL, Y, A, W, b, Z, W2, b2: fastdnn.L_model_backward(
            AL, Y, [((A, W, b), Z), ((Z, W2, b2), AL)]
        ),
        "AL Y A W b Z W2 b2",
    ),
    "update_parameters": (
        lambda W, b, dW, db: fastdnn.update_parameters(
            {"W1": W, "b1": b}, {"dW1": dW, "db1": db}, 0.1
        ),
        "W b dW db",
    ),
    "sigmoid": (lambda Z: fastdnn.sigmoid(Z)[0], "Z"),
    "relu": (lambda Z: fastdnn.relu(Z)[0], "Z"),
    "sigmoid_backward": (fastdnn.sigmoid_backward, "dA Z"),
    "relu_backward": (fastdnn.relu_backward, "dA Z"),
}


def test_every_argument_of_the_courses_functions(guise, dtype):
    for call, names in CALLS.values():
        arguments = {name: ARRAYS[name].astype(dtype) for name in names.split()}
        expected = call(*arguments.values())
        for argument, array in arguments.items():
            assert_same(call(*{**arguments, argument: guise(array)}.values()), expected)
        assert_same(call(*map(guise, arguments.values())), expected)
    # a vector and a stack of matrices are read too
    stack = rng.normal(size=(2, 3, 4)).astype(dtype)
    for array in (stack, stack[0, 0]):
        assert_same(fastdnn.relu(guise(array))[0], np.maximum(array, 0))


def test_the_values_of_the_report():
    A = explicit(np.ones((2, 3)))
    W, b = np.ones((1, 2)), np.zeros((1, 1))
    assert float(fastdnn.compute_cost(A[:1] * 0.5, np.ones((1, 3)))) == 0.6931471805599453
    dA, dW, db = fastdnn.linear_backward(np.ones((1, 3)), (A, W, b))
    np.testing.assert_array_equal(dA, np.ones((2, 3)))
    np.testing.assert_array_equal(dW, np.ones((1, 2)))
    np.testing.assert_array_equal(db, [[1]])
    np.testing.assert_array_equal(fastdnn.linear_forward(A, W, b)[0], [[2, 2, 2]])
    np.testing.assert_array_equal(fastdnn.relu(A)[0], np.ones((2, 3)))


def test_parameters_of_an_open_file(tmp_path, dtype):
    X = rng.normal(size=(3, 5)).astype(dtype)
    parameters = fastdnn.initialize_parameters(3, 4, 1, scale="he", dtype=dtype)
    AL, caches = fastdnn.L_model_forward(X, parameters)
    grads = fastdnn.L_model_backward(AL, np.ones((1, 5), dtype), caches)
    updated = fastdnn.update_parameters(parameters, grads, 0.1)
    with stored(tmp_path, **parameters) as file:
        AL_stored, caches_stored = fastdnn.L_model_forward(X, file)
        assert_same(AL_stored, AL)
        assert_same(
            fastdnn.L_model_backward(AL_stored, np.ones((1, 5), dtype), caches_stored), grads
        )
        assert_same(fastdnn.update_parameters(file, grads, 0.1), updated)
    # the results do not need the file
    assert fastdnn.L_model_forward(X, updated)[0].shape == (1, 5)


def test_the_usual_arrays_are_taken_as_they_are(dtype):
    # the cache holds the given arrays themselves, those of an equal type too
    A, W, b = (ARRAYS[name].astype(dtype) for name in "AWb")
    for form in (np.array, explicit, np.asfortranarray):
        given = [form(array) for array in (A, W, b)]
        _, cache = fastdnn.linear_forward(*given)
        assert all(kept is array for kept, array in zip(cache, given, strict=True))


@pytest.mark.parametrize("name", ["activate", "cross_entropy", "layer_backward", "descend"])
def test_no_door_returns_none(monkeypatch, name):
    def refuse(*arguments):
        return None

    refuse.__name__ = name
    monkeypatch.setattr(course, name, refuse)
    calls = {
        "activate": lambda: fastdnn.relu(ARRAYS["Z"]),
        "cross_entropy": lambda: fastdnn.compute_cost(ARRAYS["AL"], ARRAYS["Y"]),
        "layer_backward": lambda: fastdnn.linear_backward(
            ARRAYS["dA"], (ARRAYS["A"], ARRAYS["W"], ARRAYS["b"])
        ),
        "descend": lambda: fastdnn.update_parameters(
            {"W1": ARRAYS["W"], "b1": ARRAYS["b"]}, {"dW1": ARRAYS["dW"], "db1": ARRAYS["db"]}, 0.1
        ),
    }
    with pytest.raises(RuntimeError, match=rf"^{name} cannot read .* please report"):
        calls[name]()


@pytest.mark.parametrize("asked", [np.float32, np.float64])
def test_types_that_are_asked_for(asked):
    odd = np.dtype(asked).newbyteorder("<" if np.little_endian else ">")
    assert_same(
        fastdnn.initialize_parameters(3, 2, 1, dtype=odd),
        fastdnn.initialize_parameters(3, 2, 1, dtype=asked),
    )
    X = rng.normal(size=(6, 3)).astype(asked)
    nets = [fastdnn.Network([3, 2, 1], rng=0, dtype=dtype) for dtype in (odd, asked)]
    for net in nets:
        net.fit(X, np.ones(6), epochs=2)
    assert_same(dict(nets[0].parameters), dict(nets[1].parameters))
    for dtype in (asked, odd):
        with pytest.raises(ValueError, match="^dtype must be float32 or float64, got"):
            fastdnn.initialize_parameters(3, 2, 1, dtype=np.dtype(dtype).newbyteorder())


# ------------------------------------------------------------------------------------- the training

X = rng.normal(size=(40, 6))
CLASSES = np.arange(40) % 3
WEIGHTS = rng.uniform(0.5, 2, 40)
SHARES = rng.dirichlet(np.ones(3), 40)


def trained(X, Y, weights, validation, X_test, **options):
    net = fastdnn.Network(
        [6, 5, 3], output_activation="softmax", dtype=np.asarray(X).dtype.type, rng=0
    )
    history = net.fit(X, Y, sample_weight=weights, validation_data=validation, epochs=3, **options)
    cost = net.cost(X, Y, weights)
    return [
        *net.parameters.values(), net.predict(X_test),
        *(np.array(x) for x in (history.costs, history.validation_costs, cost)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 16},
        {},
        {"optimizer": fastdnn.SGD(0.1, momentum=0.9), "first_layer": "gram"},
    ],
    ids=["batches", "whole", "gram"],
)
def test_every_argument_of_a_network(options, guise, dtype):
    for Y in (CLASSES, SHARES.astype(dtype)):
        arguments = [X.astype(dtype), Y, WEIGHTS.astype(dtype)]
        arguments += [tuple(arguments), X.astype(dtype)]
        expected = trained(*arguments, **options)
        odd = [guise(array) for array in arguments[:3]]
        for i in range(3):
            assert_same(trained(*arguments[:i], odd[i], *arguments[i + 1 :], **options), expected)
        assert_same(trained(*arguments[:3], tuple(odd), odd[0], **options), expected)


def test_class_indices_of_every_type(guise):
    expected = trained(X, CLASSES, None, None, X)
    for name in "qliBfd":
        assert_same(trained(X, guise(CLASSES.astype(name)), None, None, X), expected)


def test_a_single_row_of_odd_stride_is_read(dtype):
    net = fastdnn.Network([6, 5, 1], dtype=dtype, rng=0)
    x = X.astype(dtype)
    for guise in (packed, explicit, at_odd_address):
        assert_same(net.predict(guise(x)[:1]), net.predict(x[:1]))
        assert net.predict(guise(x)[3:4, ::-1]).shape == (1, 1)


@pytest.mark.parametrize("model", [fastdnn.two_layer_model, fastdnn.L_layer_model])
def test_every_argument_of_the_courses_models(model, guise, dtype):
    columns, labels = X.astype(dtype), (CLASSES > 0).astype(dtype)[None]
    columns = np.ascontiguousarray(columns.T)
    expected = model(columns, labels, (6, 4, 1), num_iterations=3)
    assert_same(model(guise(columns), labels, (6, 4, 1), num_iterations=3), expected)
    assert_same(model(columns, guise(labels), (6, 4, 1), num_iterations=3), expected)
    parameters = expected[0]
    p = fastdnn.predict(columns, labels, parameters)
    assert_same(fastdnn.predict(guise(columns), guise(labels), parameters), p)


@pytest.mark.parametrize(
    "optimizer", [fastdnn.Adam(), fastdnn.SGD(0.1, momentum=0.9)], ids=["adam", "momentum"]
)
def test_a_state_of_odd_arrays_goes_on(optimizer, guise, dtype):
    def network():
        return fastdnn.Network([6, 5, 1], dtype=dtype, rng=0)

    def odd(value):
        if isinstance(value, np.ndarray) and value.ndim:
            return np.asarray(guise(value))
        if isinstance(value, dict):
            return {key: odd(entry) for key, entry in value.items()}
        return tuple(map(odd, value)) if isinstance(value, tuple) else value

    x, y = X.astype(dtype), CLASSES > 0
    options = {"optimizer": optimizer}
    if isinstance(optimizer, fastdnn.SGD):
        options["first_layer"] = "gram"
    first = network()
    first.fit(x, y, epochs=2, **options)
    second = network()
    state = first.state_dict()
    second.load_state_dict({**odd(state), "layer_dims": state["layer_dims"]})
    for net in (first, second):
        net.fit(x, y, epochs=2, **options)
    assert_same(dict(second.parameters), dict(first.parameters))


# ----------------------------------------------------------------------------------- the estimators


def fitted(X, y, weights, X_val, y_val, **options):
    kind = MLPClassifier if np.asarray(y).dtype.kind == "i" else MLPRegressor
    options = {"max_iter": 3, "tol": 0} | options
    model = kind(hidden_layer_sizes=(5,), random_state=0, **options)
    model.fit(X, y, sample_weight=weights, X_val=X_val, y_val=y_val)
    return model


def known(model):
    curves = [model.loss_, model.validation_loss_curve_]
    return [*model.coefs_, *model.intercepts_, *(np.array(x) for x in curves)]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed to converge")
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_every_argument_of_the_estimators(solver, kind, guise, dtype):
    if not np.asarray(guise(np.ones((2, 2), dtype))).dtype.isnative:
        dtype = np.dtype(np.float64)  # scikit-learn's type of any other byte order
    x, w = X.astype(dtype), WEIGHTS.astype(dtype)
    y = CLASSES if kind == "classes" else X[:, 0].astype(dtype)
    options = {"solver": solver, "batch_size": 16}
    arguments = [x, y, w, x[:20], y[:20]]
    expected = fitted(*arguments, **options)
    for i in range(5):
        odd = list(arguments)
        odd[i] = guise(arguments[i])
        model = fitted(*odd, **options)
        assert_same(known(model), known(expected))
    assert_same(model.predict(guise(x)), expected.predict(x))
    if kind == "classes":
        assert_same(model.predict_proba(guise(x)[:1]), expected.predict_proba(x[:1]))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("batch_size", [16, 40])
def test_partial_fit_and_warm_starts(batch_size, guise, dtype):
    x = X.astype(dtype)
    models = []
    for odd in (lambda a: a, guise):
        model = fitted(x, CLASSES, None, None, None, batch_size=batch_size, warm_start=True)
        model.partial_fit(odd(x), odd(CLASSES), sample_weight=odd(WEIGHTS))
        model.fit(odd(x), CLASSES)
        model.coefs_ = [np.asarray(odd(W)) for W in model.coefs_]
        model.intercepts_ = [np.asarray(odd(b)) for b in model.intercepts_]
        model.predict(x)
        model.fit(odd(x), CLASSES)
        models.append(model)
    assert_same(known(models[1])[:-1], known(models[0])[:-1])


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_an_estimator_from_buffers_at_odd_addresses_goes_on():
    model = fitted(X, CLASSES, None, None, None, warm_start=True)
    buffers = []
    pickled = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
    odd = [memoryview(bytearray(b"0" + bytes(buffer)))[1:] for buffer in buffers]
    again = pickle.loads(pickled, buffers=odd)
    for each in (model, again):
        each.partial_fit(X, CLASSES)
    assert_same(known(again)[:-1], known(model)[:-1])
