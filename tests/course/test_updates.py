"""The course's updates of dicts: its published digits, plain NumPy, and bad input."""

import copy

import numpy as np
import pytest
import reference_course2 as reference

from fastdnn import course2

TYPES = [np.float32, np.float64]
KINDS = ["momentum", "adam", "adam, three"]


def drawn(shapes, seed=1, dtype=float):
    """Draw parameters and gradients as the course's test cases do."""
    random = np.random.RandomState(seed)
    parameters = {key: random.randn(*shape).astype(dtype) for key, shape in shapes.items()}
    grads = {"d" + key: random.randn(*shape).astype(dtype) for key, shape in shapes.items()}
    return parameters, grads


def shapes_of(*dims):
    shapes = {}
    for l in range(1, len(dims)):
        shapes |= {f"W{l}": (dims[l], dims[l - 1]), f"b{l}": (dims[l], 1)}
    return shapes


# the shapes of the course's test cases, which are those of no network
UNTIL_2021 = {"W1": (2, 3), "b1": (2, 1), "W2": (3, 3), "b2": (3, 1)}
SINCE_2025 = {"W1": (2, 3), "b1": (2, 1), "W2": (3, 2), "b2": (3, 1)}


def step(kind, side, parameters, grads, moments, t=2, **options):
    """Take a step: the new parameters and moments, in a list of dicts."""
    if kind == "momentum":
        return list(side.update_parameters_with_momentum(parameters, grads, moments[0], 0.9, 0.01))
    if kind == "adam, three" and side is course2:
        options["corrected"] = False
    results = side.update_parameters_with_adam(parameters, grads, *moments, t, **options)
    return list(results[:3] if kind == "adam, three" else results)


def begun(kind, parameters, seed=5):
    """Draw moments, as they may be after some steps."""
    random = np.random.default_rng(seed)
    zeros = reference.initialize_velocity(parameters)
    v = {key: random.standard_normal(P.shape).astype(P.dtype) for key, P in zeros.items()}
    s = {key: random.random(P.shape).astype(P.dtype) for key, P in zeros.items()}
    return [v] if kind == "momentum" else [v, s]


def assert_close(got, expected, dtype):
    tolerance = {"rtol": 16 * np.finfo(dtype).eps, "atol": 16 * np.finfo(dtype).eps}
    assert [list(d) for d in got] == [list(d) for d in expected]
    for one, other in zip(got, expected, strict=True):
        for key in other:
            assert one[key].dtype == dtype, key
            assert one[key].shape == other[key].shape, key
            np.testing.assert_allclose(one[key], other[key], **tolerance, err_msg=key)


# -------------------------------------------------------------------------------- published digits


@pytest.mark.parametrize(
    ("shapes", "gd", "momentum"),
    [(UNTIL_2021, 1.63535156, 1.62544598), (SINCE_2025, 1.63312395, 1.62522322)],
)
def test_gd_and_momentum_have_the_course_s_digits(shapes, gd, momentum):
    parameters, grads = drawn(shapes)
    updated = course2.update_parameters_with_gd(parameters, grads, 0.01)
    assert round(updated["W1"][0, 0], 8) == gd
    v = course2.initialize_velocity(parameters)
    updated, v = course2.update_parameters_with_momentum(parameters, grads, v, 0.9, 0.01)
    assert round(updated["W1"][0, 0], 8) == momentum
    np.testing.assert_allclose(v["dW1"], 0.1 * grads["dW1"])


# epsilon inside the root, as some copies' expected output has it, would give -1.09245036
def test_adam_has_the_digits_of_the_course_until_2019():
    parameters, grads = drawn(UNTIL_2021)
    v, s = course2.initialize_adam(parameters)
    updated, v, s = course2.update_parameters_with_adam(
        parameters, grads, v, s, t=2, corrected=False
    )
    assert round(updated["W1"][0, 0], 8) == 1.63178673
    assert round(updated["W2"][2, 1], 8) == -1.09244991


@pytest.mark.parametrize(("shapes", "digits"), [(UNTIL_2021, 1.63942428), (SINCE_2025, 1.63937725)])
def test_adam_has_the_course_s_digits_since_2021(shapes, digits):
    parameters, grads = drawn(shapes)
    v, s = course2.initialize_adam(parameters)
    numbers = {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.888, "epsilon": 1e-2}
    results = course2.update_parameters_with_adam(parameters, grads, v, s, 2, **numbers)
    assert round(results[0]["W1"][0, 0], 8) == digits
    # the results' types are what the course's own tests look at
    assert type(results) is tuple
    assert [type(made) for made in results] == [dict] * 5
    expected = reference.update_parameters_with_adam(
        *copy.deepcopy((parameters, grads, v, s)), 2, **numbers
    )
    assert_close(results, expected, float)


def test_momentum_returns_a_tuple():
    parameters, grads = drawn(UNTIL_2021)
    v = course2.initialize_velocity(parameters)
    results = course2.update_parameters_with_momentum(parameters, grads, v, 0.9, 0.01)
    assert type(results) is tuple
    assert [type(made) for made in results] == [dict] * 2


@pytest.mark.parametrize("t", [1, 2, 10, 1000, 10**6])
def test_three_values_are_the_first_of_five(t):
    parameters, grads = drawn(shapes_of(4, 5, 3, 1))
    moments = begun("adam", parameters)
    five = course2.update_parameters_with_adam(parameters, grads, *moments, t)
    three = course2.update_parameters_with_adam(parameters, grads, *moments, t, corrected=False)
    for one, other in zip(three, five[:3], strict=True):
        for key in other:
            np.testing.assert_array_equal(one[key], other[key])


# ------------------------------------------------------------------------------------ plain NumPy


@pytest.mark.parametrize(
    "dims", [(1, 1), (3, 1, 2), (1, 5), (17, 16, 15, 1), (300, 7, 129), (701, 509)]
)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_numpy_s(kind, dtype, dims):
    parameters, grads = drawn(shapes_of(*dims), dtype=dtype)
    moments = begun(kind, parameters)
    expected = copy.deepcopy([parameters, *moments])
    results = [parameters, *moments]
    for t in range(1, 6):
        results = step(kind, course2, results[0], grads, results[1 : len(moments) + 1], t)
        expected = step(kind, reference, expected[0], grads, expected[1 : len(moments) + 1], t)
        assert_close(results, expected, dtype)


def strided(array):
    memory = np.zeros((2 * array.shape[0], 3 * array.shape[1]), array.dtype)
    memory[::2, 1::3] = array
    return memory[::2, 1::3]


def misaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    memory[:] = array
    return memory


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAID = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": strided,
    "reversed": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "misaligned": misaligned,
    "read-only": read_only,
    "other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "list": lambda array: array.tolist(),
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", LAID)
@pytest.mark.parametrize("which", range(4))
def test_steps_read_any_memory(which, other, kind, dtype):
    parameters, grads = drawn(shapes_of(5, 20, 33, 1), dtype=dtype)
    dicts = [parameters, grads, *begun(kind, parameters)]
    if which >= len(dicts) or (other == "list" and dtype == np.float32):
        return  # momentum has no second moments, and a list holds numbers of float64
    expected = step(kind, reference, *copy.deepcopy((parameters, grads, dicts[2:])))
    dicts[which] = {key: LAID[other](array) for key, array in dicts[which].items()}
    before = copy.deepcopy(dicts)
    results = step(kind, course2, dicts[0], dicts[1], dicts[2:])
    assert_close(results, expected, dtype)
    if other != "list":
        for made in results:
            for key, array in made.items():
                assert array.flags.c_contiguous or array.flags.f_contiguous
                P = dicts[0][key.removeprefix("d")]
                assert array.flags.c_contiguous == (P.flags.c_contiguous or not P.flags.fnc)
    for one, was in zip(dicts, before, strict=True):
        for key in was:
            np.testing.assert_array_equal(one[key], was[key])


def test_a_result_s_memory_order_is_its_parameter_s():
    parameters, grads = drawn(shapes_of(6, 4, 1))
    v, s = course2.initialize_adam({**parameters, "W1": np.asfortranarray(parameters["W1"])})
    assert v["dW1"].flags.f_contiguous
    parameters["W1"] = np.asfortranarray(parameters["W1"])
    for made in course2.update_parameters_with_adam(parameters, grads, v, s, 1):
        assert made.get("W1", made.get("dW1")).flags.f_contiguous
        assert made.get("W2", made.get("dW2")).flags.c_contiguous


@pytest.mark.parametrize("kind", KINDS)
def test_types_are_promoted_as_numpy_s(kind):
    parameters, grads = drawn(shapes_of(3, 2, 1), dtype=np.float32)
    moments = begun(kind, parameters)
    wide = [{key: v.astype(float) for key, v in moment.items()} for moment in moments]
    for made in step(kind, course2, parameters, grads, wide):
        assert {array.dtype for array in made.values()} == {np.dtype(float)}
    whole = {key: np.ones(P.shape, int) for key, P in parameters.items()}
    for made in step(kind, course2, whole, grads, moments):
        assert {array.dtype for array in made.values()} == {np.dtype(float)}
    # a number has no say
    number = dict.fromkeys(grads, 0.5)
    for made in step(kind, course2, parameters, number, moments):
        assert {array.dtype for array in made.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_broadcast(kind):
    parameters, grads = drawn(shapes_of(3, 4, 1))
    moments = begun(kind, parameters)
    grads |= {"db1": 0.25, "dW1": grads["dW1"][:1], "db2": grads["db2"].reshape(1)}
    expected = step(kind, reference, *copy.deepcopy((parameters, grads, moments)))
    assert_close(step(kind, course2, parameters, grads, moments), expected, float)
    # a bias that is flat or a number, beside the gradient that linear_backward returns for it
    parameters["b2"] = np.float64(0.5)
    moments = [moment | {"db2": np.zeros(())} for moment in moments]
    expected = step(kind, reference, *copy.deepcopy((parameters, grads, moments)))
    assert_close(step(kind, course2, parameters, grads, moments), expected, float)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_other_dimensions(kind):
    shapes = {"W1": (3, 4, 2), "b1": (5,)}
    parameters, grads = drawn(shapes)
    parameters["W1"] = np.asfortranarray(parameters["W1"])
    moments = begun(kind, parameters)
    expected = step(kind, reference, *copy.deepcopy((parameters, grads, moments)))
    assert_close(step(kind, course2, parameters, grads, moments), expected, float)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [np.inf, np.nan, 0.0, 1e-45, 1e30])
def test_extreme_gradients(value, kind, dtype):
    parameters, grads = drawn(shapes_of(40, 2), dtype=dtype)
    moments = [
        {key: np.zeros_like(array) for key, array in moment.items()}
        for moment in begun(kind, parameters)
    ]
    grads["dW1"][0] = value
    with np.errstate(all="ignore"):
        expected = step(kind, reference, *copy.deepcopy((parameters, grads, moments)))
        assert_close(step(kind, course2, parameters, grads, moments), expected, dtype)


# ------------------------------------------------------------------------- what is the caller's


@pytest.mark.parametrize("kind", [*KINDS, "gd"])
def test_nothing_of_the_caller_s_is_written_or_rebound(kind):
    parameters, grads = drawn(shapes_of(4, 5, 3, 1))
    moments = begun(kind, parameters)
    given = [parameters, grads, *moments]
    before, arrays = copy.deepcopy(given), [list(one.values()) for one in given]
    for array in (array for one in arrays for array in one):
        array.flags.writeable = False
    if kind == "gd":
        results = [course2.update_parameters_with_gd(parameters, grads, 0.1)]
    else:
        results = step(kind, course2, parameters, grads, moments)
    for one, was, held in zip(given, before, arrays, strict=True):
        assert list(one) == list(was)
        assert all(a is b for a, b in zip(one.values(), held, strict=True))
        for key in was:
            np.testing.assert_array_equal(one[key], was[key])
    made = [array for one in results for array in one.values()]
    for i, array in enumerate(made):
        assert array.flags.writeable
        others = made[:i] + [array for one in arrays for array in one]
        assert not any(np.shares_memory(array, other) for other in others)


@pytest.mark.parametrize("kind", KINDS)
def test_other_keys_of_the_gradients_are_not_read(kind):
    parameters, grads = drawn(shapes_of(4, 3, 1))
    moments = begun(kind, parameters)
    expected = step(kind, course2, parameters, grads, moments)
    grads |= {"dA0": "no array", "dZ1": None, "dA1": np.ma.masked_array([1.0])}
    results = step(kind, course2, parameters, grads, moments)
    assert_close(results, expected, float)


@pytest.mark.parametrize("form", ["door", "converted"])
@pytest.mark.parametrize("kind", KINDS)
def test_other_keys_of_the_parameters_are_kept(kind, form):
    parameters, grads = drawn(shapes_of(4, 3, 1))
    if form == "converted":
        parameters["W1"] = parameters["W1"].tolist()
    moments = begun(kind, drawn(shapes_of(4, 3, 1))[0])
    results = step(kind, course2, parameters | {"name": "mine"}, grads, moments)
    assert results[0].pop("name") == "mine"
    assert_close(results, step(kind, course2, parameters, grads, moments), float)


def test_moments_begin_with_zeros_of_their_own():
    parameters = {"W1": np.ones((2, 3), np.float32), "b1": np.ones((2, 1), int)}
    v, s = course2.initialize_adam(parameters)
    for made in (v, s, course2.initialize_velocity(parameters)):
        assert type(made) is dict
        assert list(made) == ["dW1", "db1"]
        assert made["dW1"].dtype == np.float32
        assert made["db1"].dtype == float
        assert not made["dW1"].any()
    assert not np.shares_memory(v["dW1"], s["dW1"])


# --------------------------------------------------------------------------------------- schedules


def test_rates():
    assert course2.update_lr(0.5, 2, 1) == 0.5 / 3
    assert course2.schedule_lr_decay(0.5, 100, 1, 100) == 0.25
    assert course2.schedule_lr_decay(0.5, 99, 1, time_interval=100) == 0.5
    assert course2.schedule_lr_decay(0.1, 2999, 0.3) == 0.1 / (1 + 0.3 * 2)
    assert type(course2.update_lr(np.float32(1), np.int64(1), 1)) is float


# --------------------------------------------------------------------------------------- bad input


def adam(parameters, grads, v, s, t=1, **numbers):
    return course2.update_parameters_with_adam(parameters, grads, v, s, t, **numbers)


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        ({"t": 0}, ValueError, "t must be at least 1, got 0"),
        ({"t": -1}, ValueError, "t must be at least 1, got -1"),
        ({"t": 1.0}, TypeError, "t must be an integer, got 1.0"),
        ({"t": None}, TypeError, "t must be an integer"),
        ({"beta1": 1}, ValueError, "beta1 must be at least 0 and below 1, got 1"),
        ({"beta1": -0.1}, ValueError, "beta1 must be at least 0 and below 1"),
        ({"beta2": 1.0}, ValueError, "beta2 must be at least 0 and below 1"),
        ({"beta2": np.nan}, ValueError, "beta2 must be"),
        ({"epsilon": -1e-8}, ValueError, "epsilon must be at least 0"),
        ({"epsilon": "small"}, TypeError, "epsilon must be a number"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number"),
    ],
)
def test_bad_numbers(numbers, error, message):
    parameters, grads = drawn(shapes_of(2, 1))
    v, s = course2.initialize_adam(parameters)
    with pytest.raises(error, match=message):
        adam(parameters, grads, v, s, **numbers)
    if "beta1" in numbers:
        with pytest.raises(error, match=message.replace("beta1", "beta")):
            course2.update_parameters_with_momentum(parameters, grads, v, numbers["beta1"], 0.1)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("parameters", None, TypeError, "parameters must be a dict"),
        ("parameters", {}, ValueError, "parameters must be a dict of W1, b1"),
        ("parameters", {"W1": 1.0, "c1": 1.0}, ValueError, "parameters has no 'b1'"),
        ("grads", {"dW1": np.ones((1, 2))}, ValueError, "grads has no 'db1', only dW1"),
        ("grads", None, TypeError, "grads must be a dict"),
        ("v", {}, ValueError, "v has no 'dW1', only nothing"),
        ("v", [1], TypeError, "v must be a dict"),
        ("s", {"dW1": np.ones((1, 2))}, ValueError, "s has no 'db1'"),
        ("v", {"dW1": np.ones((2, 1))}, ValueError, r"v\['dW1'\] has shape \(2, 1\), but W1 \(1"),
        ("s", {"dW1": np.ones(2)}, ValueError, r"s\['dW1'\] has shape \(2,\), but W1 \(1, 2\)"),
        ("s", {"dW1": 0.0}, ValueError, r"s\['dW1'\] has shape \(\), but W1"),
        ("grads", {"dW1": np.ones((2, 3))}, ValueError, r"dW1 has shape \(2, 3\), but W1"),
        ("grads", {"dW1": ["a", "b"]}, TypeError, "dW1 must be an array of real numbers"),
        ("v", {"dW1": np.ma.ones((1, 2))}, TypeError, r"v\['dW1'\] is a masked array"),
        ("s", {"dW1": np.ones((1, 2), complex)}, TypeError, r"s\['dW1'\] must be an array of real"),
        ("parameters", {"W1": np.ones((0, 2)), "b1": 1.0}, ValueError, "W1 must not be empty"),
    ],
)
def test_bad_dicts(name, value, error, message):
    parameters, grads = drawn(shapes_of(2, 1))
    v, s = course2.initialize_adam(parameters)
    given = {"parameters": parameters, "grads": grads, "v": v, "s": s, name: value}
    with pytest.raises(error, match=message):
        adam(**given)
    if name != "s":
        with pytest.raises(error, match=message):
            course2.update_parameters_with_momentum(
                given["parameters"], given["grads"], given["v"], 0.9, 0.01
            )


def test_bad_parameters_of_the_others():
    for function in (course2.initialize_velocity, course2.initialize_adam):
        with pytest.raises(TypeError, match="parameters must be a dict"):
            function([1])
        with pytest.raises(ValueError, match="parameters has no 'b1'"):
            function({"W1": np.ones((1, 1)), "c": 1.0})
        with pytest.raises(TypeError, match="W1 must be an array"):
            function({"W1": ["a"], "b1": 1.0})
    with pytest.raises(TypeError, match="parameters must be a dict"):
        course2.update_parameters_with_gd(None, {}, 0.1)
    with pytest.raises(ValueError, match="parameters has no 'b1'"):
        course2.update_parameters_with_gd({"W1": 1.0, "c": 1.0}, {"dW1": 1.0}, 0.1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("fast", 1, 1), TypeError, "learning_rate0 must be a number"),
        ((0.1, -1, 1), ValueError, "epoch_num must be at least 0"),
        ((0.1, 1, -1), ValueError, "decay_rate must be at least 0"),
        ((0.1, 1, np.inf), ValueError, "decay_rate must be"),
    ],
)
def test_bad_rates(arguments, error, message):
    for function in (course2.update_lr, course2.schedule_lr_decay):
        with pytest.raises(error, match=message):
            function(*arguments)


def test_bad_interval():
    with pytest.raises(ValueError, match="time_interval must be above 0"):
        course2.schedule_lr_decay(0.1, 1, 1, 0)
