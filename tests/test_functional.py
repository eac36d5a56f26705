"""The course's functions: their published digits, plain NumPy as the oracle, and gradients."""

import copy
import itertools
import warnings

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import fastdnn

TYPES = [np.float32, np.float64]
# a sum of k products is off by a few roundings of each term
EPS = {np.dtype(t): 40 * np.finfo(t).eps for t in TYPES}


def assert_close(got, expected, dtype=None, scale=None):
    """Compare to within the rounding of the element type, relative to the largest element."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    assert got.dtype == np.dtype(dtype or expected.dtype)
    scale = np.max(np.abs(expected)) if scale is None else scale
    np.testing.assert_allclose(got, expected, rtol=0, atol=EPS[got.dtype] * max(scale, 1e-30))


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


# ------------------------------------------------------------------------------- published digits


def test_published_linear_forward():
    random = np.random.RandomState(1)
    A, W, b = random.randn(3, 2), random.randn(1, 3), random.randn(1, 1)
    Z, cache = fastdnn.linear_forward(A, W, b)
    np.testing.assert_allclose(Z, [[3.26295337, -1.23429987]], atol=5e-9)
    assert cache[0] is A
    assert cache[1] is W
    assert cache[2] is b


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("sigmoid", [[0.96890023, 0.11013289]]), ("relu", [[3.43896131, 0.0]])],
)
def test_published_linear_activation_forward(activation, expected):
    random = np.random.RandomState(2)
    A_prev, W, b = random.randn(3, 2), random.randn(1, 3), random.randn(1, 1)
    A, (linear_cache, Z) = fastdnn.linear_activation_forward(A_prev, W, b, activation)
    np.testing.assert_allclose(A, expected, atol=5e-9)
    assert linear_cache[0] is A_prev
    np.testing.assert_allclose(Z, W @ A_prev + b, rtol=1e-14)


def test_published_L_model_forward():
    random = np.random.RandomState(6)
    X = random.randn(5, 4)
    parameters = {}
    for l, (n, n_prev) in enumerate([(4, 5), (3, 4), (1, 3)], 1):
        parameters[f"W{l}"] = random.randn(n, n_prev)
        parameters[f"b{l}"] = random.randn(n, 1)
    AL, caches = fastdnn.L_model_forward(X, parameters)
    expected = [[0.03921668, 0.70498921, 0.19734387, 0.04728177]]
    np.testing.assert_allclose(AL, expected, atol=5e-9)
    assert isinstance(caches, list)
    assert len(caches) == 3


def test_published_compute_cost():
    AL, Y = np.array([[0.8, 0.9, 0.4]]), np.array([[1, 1, 0]])
    cost = fastdnn.compute_cost(AL, Y)
    assert isinstance(cost, np.ndarray)
    assert cost.shape == ()
    np.testing.assert_allclose(cost, 0.2797765635793422, rtol=1e-15)


def test_published_linear_backward():
    random = np.random.RandomState(1)
    dZ, A, W, b = random.randn(3, 4), random.randn(5, 4), random.randn(3, 5), random.randn(3, 1)
    _, _, db = fastdnn.linear_backward(dZ, (A, W, b))
    np.testing.assert_allclose(db, [[-0.14713786], [-0.11313155], [-0.13209101]], atol=5e-9)


# ------------------------------------------------------------------------ against plain NumPy


def variants(array, kind):
    """Give the same numbers in another memory."""
    if kind == "strided":
        array = np.repeat(np.repeat(array, 2, axis=0), 3, axis=1)[::2, ::3]
    elif kind == "reversed":
        array = array[::-1, ::-1].copy()[::-1, ::-1]
    elif kind == "big-endian":
        array = array.astype(array.dtype.newbyteorder(">"))
    elif kind == "misaligned":
        memory = np.empty(array.nbytes + 1, np.uint8)[1:]
        memory = memory.view(array.dtype).reshape(array.shape)
        memory[...] = array
        array = memory
    elif kind == "readonly":
        array = array.copy()
        array.flags.writeable = False
    elif kind in "CF":
        array = np.array(array, order=kind)
    return array


KINDS = st.sampled_from(["C", "F", "strided", "reversed", "big-endian", "misaligned", "readonly"])
SIZE = st.sampled_from([1, 1, 2, 3, 5, 16, 17, 40])


@settings(deadline=None, max_examples=300)
@given(
    sizes=st.tuples(SIZE, SIZE, SIZE),
    dtype=st.sampled_from(TYPES),
    kinds=st.tuples(KINDS, KINDS, KINDS, KINDS, KINDS),
    activation=st.sampled_from(["relu", "sigmoid"]),
)
def test_a_layer_is_plain_numpy_in_any_memory(sizes, dtype, kinds, activation):
    n_prev, n, m = sizes
    A_prev, W, b, dA = (
        variants(draw(seed, *shape).astype(dtype), kind)
        for seed, (shape, kind) in enumerate(
            zip([(n_prev, m), (n, n_prev), (n, 1), (n, m)], kinds, strict=False)
        )
    )
    native = np.dtype(dtype)
    before = [x.tobytes() for x in (A_prev, W, b, dA)]

    Z, linear_cache = fastdnn.linear_forward(A_prev, W, b)
    expected_Z, expected_cache = reference.linear_forward(A_prev, W, b)
    assert_close(Z, expected_Z, native)
    for got, expected in zip(linear_cache, expected_cache, strict=True):
        np.testing.assert_array_equal(got, expected)

    A, cache = fastdnn.linear_activation_forward(A_prev, W, b, activation)
    expected_A, expected_cache = reference.linear_activation_forward(A_prev, W, b, activation)
    assert_close(A, expected_A, native, scale=np.abs(expected_Z).max())
    assert_close(cache[1], expected_Z, native)

    # Z in another memory order than the forward pass chose
    expected_cache = (expected_cache[0], variants(expected_cache[1], kinds[4]))
    for got, expected, scale in zip(
        fastdnn.linear_activation_backward(dA, expected_cache, activation)
        + fastdnn.linear_backward(dA, expected_cache[0]),
        reference.linear_activation_backward(dA, expected_cache, activation)
        + reference.linear_backward(dA, expected_cache[0]),
        2 * [np.abs(W).max() * n, np.abs(A_prev).max(), 1],
        strict=True,
    ):
        assert_close(got, expected, native, scale=scale * np.abs(dA).max())

    assert before == [x.tobytes() for x in (A_prev, W, b, dA)]


@settings(deadline=None, max_examples=100)
@given(
    dims=st.lists(SIZE, min_size=2, max_size=5),
    m=SIZE,
    dtype=st.sampled_from(TYPES),
    order=st.sampled_from("CF"),
)
def test_a_step_of_a_network_is_plain_numpy(dims, m, dtype, order):
    X = np.asarray(draw(0, dims[0], m).astype(dtype), order=order)
    Y = (draw(1, dims[-1], m) > 0).astype(dtype)
    parameters = {}
    for l in range(1, len(dims)):
        parameters[f"W{l}"] = (draw(2 * l, dims[l], dims[l - 1]) / np.sqrt(dims[l - 1])).astype(
            dtype
        )
        parameters[f"b{l}"] = (draw(2 * l + 1, dims[l], 1) * 0.1).astype(dtype)
    given_parameters = copy.deepcopy(parameters)

    AL, caches = fastdnn.L_model_forward(X, parameters)
    expected_AL, _ = reference.L_model_forward(X, parameters)
    assert_close(AL, expected_AL, dtype)
    cost = fastdnn.compute_cost(AL, Y)
    assert_close(cost, reference.compute_cost(AL, Y), dtype, scale=10)
    grads = fastdnn.L_model_backward(AL, Y, caches)
    expected_grads = reference.L_model_backward(AL, Y, caches)
    assert list(grads) == list(expected_grads)
    for key, expected in expected_grads.items():
        # 1 / AL and 1 / (1 - AL) magnify the roundings before them
        worst = np.max(1 / np.minimum(AL, 1 - AL).clip(np.finfo(dtype).eps))
        assert_close(grads[key], expected, dtype, scale=worst * max(1, np.abs(expected).max()))
    updated = fastdnn.update_parameters(parameters, expected_grads, 0.5)
    expected = reference.update_parameters(parameters, expected_grads, 0.5)
    assert list(updated) == list(expected)
    for key in expected:
        assert_close(updated[key], expected[key], dtype)
        np.testing.assert_array_equal(parameters[key], given_parameters[key])
        assert not np.shares_memory(updated[key], parameters[key])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("n", "n_prev", "m"),
    [
        *[(7, 40, 300), (20, 700, 150), (24, 33, 257), (50, 34, 130), (66, 1100, 98)],
        *[(129, 300, 65), (200, 64, 530), (300, 20, 1030)],
    ],
)
def test_products_of_several_blocks_and_of_few_rows(n, n_prev, m, dtype):
    # small integers: their sums are exact in any order
    random = np.random.default_rng(0)
    A, W, dZ = (random.integers(-3, 4, shape) for shape in ((n_prev, m), (n, n_prev), (n, m)))
    b = np.zeros((n, 1), dtype)
    with threadpool_limits(1):
        for orders in itertools.product("CF", repeat=3):
            A, W, dZ = (
                np.asarray(array, dtype, order)
                for array, order in zip((A, W, dZ), orders, strict=True)
            )
            Z, cache = fastdnn.linear_forward(A, W, b)
            np.testing.assert_array_equal(Z, W @ A)
            dA_prev, dW, _ = fastdnn.linear_backward(dZ, cache)
            np.testing.assert_array_equal(dA_prev, W.T @ dZ)
            assert_close(dW, dZ @ A.T / m)


def test_the_outputs_follow_the_memory_order_of_the_inputs():
    W, b = draw(1, 4, 3), draw(2, 4, 1)
    for order in "CF":
        A_prev = np.asarray(draw(0, 3, 5), order=order)
        A, cache = fastdnn.linear_activation_forward(A_prev, W, b, "relu")
        dA_prev, dW, _ = fastdnn.linear_activation_backward(A, cache, "relu")
        for array in (A, cache[1], dA_prev):
            assert array.flags.fnc == (order == "F")
        assert dW.flags.c_contiguous


def test_a_contiguous_input_is_not_copied():
    for order in "CF":
        A, W = np.asarray(draw(0, 30, 20), order=order), np.asarray(draw(1, 10, 30), order=order)
        _, (cached_A, cached_W, _) = fastdnn.linear_forward(A, W, draw(2, 10, 1))
        assert cached_A is A
        assert cached_W is W


def test_more_examples_than_a_block_holds():
    for order in "CF":
        for n, m in [(3, 5000), (1, 5000), (2000, 3), (2000, 1)]:
            A_prev = np.asarray(draw(0, 2, m), order=order)
            W, b, dA = draw(1, n, 2), draw(2, n, 1), draw(3, n, m)
            for activation in ("relu", "sigmoid"):
                A, cache = fastdnn.linear_activation_forward(A_prev, W, b, activation)
                expected_A, expected_cache = reference.linear_activation_forward(
                    A_prev, W, b, activation
                )
                assert_close(A, expected_A)
                for got, expected in zip(
                    fastdnn.linear_activation_backward(dA, cache, activation),
                    reference.linear_activation_backward(dA, expected_cache, activation),
                    strict=True,
                ):
                    assert_close(got, expected, scale=np.abs(expected).max() + 1)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", TYPES)
def test_elementwise_functions_take_any_shape(shape, order, dtype):
    Z = np.asarray(draw(0, *shape), dtype, order=order)
    dA = np.asarray(draw(1, *shape), dtype)
    for name in ("sigmoid", "relu"):
        A, cache = getattr(fastdnn, name)(Z)
        assert_close(A, getattr(reference, name)(Z)[0], dtype, scale=1)
        np.testing.assert_array_equal(cache, Z)
        backward = f"{name}_backward"
        dZ = getattr(fastdnn, backward)(dA, cache)
        assert_close(dZ, getattr(reference, backward)(dA, np.asarray(cache)), dtype, scale=1)


def test_lists_and_numbers_are_taken_where_numpy_takes_them():
    assert fastdnn.sigmoid(0)[0] == 0.5
    assert fastdnn.relu([-1, 2])[0].tolist() == [0.0, 2.0]
    Z, _ = fastdnn.linear_forward([[1, 2], [3, 4]], [[1, 1]], 10)
    assert Z.tolist() == [[14.0, 16.0]]
    cost = fastdnn.compute_cost([[0.8, 0.9, 0.4]], [1, 1, 0])
    np.testing.assert_allclose(cost, 0.2797765635793422, rtol=1e-15)
    dZ = fastdnn.relu_backward([[1, 2]], [[-1, 1]])
    assert dZ.tolist() == [[0.0, 2.0]]


# --------------------------------------------------------------------------------- element types


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (("f4", "f4", "f4"), "f4"),
        (("f8", "f4", "f4"), "f8"),
        (("f4", "f8", "f4"), "f8"),
        (("f4", "f4", "f8"), "f8"),
        (("i8", "i8", "i8"), "f8"),
        (("?", "?", "?"), "f8"),
        (("u1", "f4", "f4"), "f4"),
        (("i8", "f4", "f4"), "f8"),
        (("f2", "f2", "f2"), "f4"),
        ((">f4", "<f4", ">f4"), "f4"),
    ],
)
def test_element_types_promote_as_in_numpy(types, expected):
    A, W, b = (
        np.asarray(np.ones(shape), dtype)
        for shape, dtype in zip([(3, 2), (4, 3), (4, 1)], types, strict=True)
    )
    Z, _ = fastdnn.linear_forward(A, W, b)
    assert Z.dtype == np.dtype(expected)
    assert np.all(Z == 4)


def test_a_python_number_as_bias_keeps_float32():
    Z, _ = fastdnn.linear_forward(np.ones((3, 2), "f4"), np.ones((4, 3), "f4"), 0.5)
    assert Z.dtype == np.float32
    assert np.all(Z == 3.5)


def test_a_python_number_is_not_cut_to_an_integer():
    A, W = np.array([[1, 2], [3, 4]]), np.array([[1, 1], [1, 2]])
    for b in (0.5, -1, 300, np.nan):
        for dtype in (np.int64, np.uint8, bool):
            Z, _ = fastdnn.linear_forward(A.astype(dtype), W.astype(dtype), b)
            expected = W.astype(dtype).astype(float) @ A.astype(dtype).astype(float) + b
            np.testing.assert_array_equal(Z, expected)
    updated = fastdnn.update_parameters(
        {"W1": 0.5, "b1": np.array([[3]])}, {"dW1": np.array([[2]]), "db1": 0.5}, 1
    )
    assert updated["W1"] == -1.5
    assert updated["b1"] == 2.5


def test_labels_may_be_integers_booleans_real_flat_or_a_list():
    AL = np.array([[0.2, 0.7, 0.6]])
    _, caches = fastdnn.L_model_forward(draw(0, 2, 3), {"W1": draw(1, 1, 2), "b1": [[0.0]]})
    labels = np.array([[0, 1, 1]])
    cost = fastdnn.compute_cost(AL, labels)
    dW = fastdnn.L_model_backward(AL, labels, caches)["dW1"]
    for Y in (labels.astype(bool), labels.astype("f8"), labels[0], labels.T, [0, 1, 1]):
        assert fastdnn.compute_cost(AL, Y) == cost
        np.testing.assert_array_equal(fastdnn.L_model_backward(AL, Y, caches)["dW1"], dW)
    real = fastdnn.compute_cost(AL, labels * 0.5)
    np.testing.assert_allclose(real, reference.compute_cost(AL, labels * 0.5))


# ------------------------------------------------------------------------------ the course's habits


def test_backward_uses_the_given_AL_and_the_cached_Z_as_they_are():
    # neither Z nor AL is what the forward pass would compute, and AL leaves (0, 1)
    AL, Y = draw(0, 1, 4), np.array([[1, 0, 0, 1]])
    caches = [
        ((draw(1, 4, 4), draw(2, 3, 4), draw(3, 3, 1)), draw(4, 3, 4)),
        ((draw(5, 3, 4), draw(6, 1, 3), draw(7, 1, 1)), draw(8, 1, 4)),
    ]
    grads = fastdnn.L_model_backward(AL, Y, caches)
    expected = reference.L_model_backward(AL, Y, caches)
    assert set(grads) == {"dA0", "dA1", "dW1", "dW2", "db1", "db2"}
    for key in expected:
        np.testing.assert_allclose(grads[key], expected[key], rtol=1e-12)


def test_update_broadcasts_numbers_as_numpy_does():
    params = {"W1": draw(0, 2, 3), "b1": 1.5}
    grads = {"dW1": draw(1, 2, 3), "db1": np.array(0.5)}
    updated = fastdnn.update_parameters(params, grads, 0.1)
    np.testing.assert_allclose(updated["W1"], params["W1"] - 0.1 * grads["dW1"])
    np.testing.assert_allclose(updated["b1"], 1.45)
    assert updated["b1"].shape == ()
    assert params["b1"] == 1.5
    flat = {"W1": draw(0, 5), "b1": draw(1, 2, 3, 4)}
    steps = {"dW1": draw(2, 5), "db1": draw(3, 3, 4)}
    updated = fastdnn.update_parameters(flat, steps, 0.1)
    np.testing.assert_allclose(updated["W1"], flat["W1"] - 0.1 * steps["dW1"])
    np.testing.assert_allclose(updated["b1"], flat["b1"] - 0.1 * steps["db1"])
    column = fastdnn.update_parameters({**params, "b1": draw(2, 2, 1)}, grads, 0.1)["b1"]
    np.testing.assert_allclose(column, draw(2, 2, 1) - 0.05)


def test_update_keeps_other_entries_and_the_memory_order():
    W = np.asfortranarray(draw(0, 3, 4))
    params = {"W1": W, "b1": draw(1, 3, 1), "note": "mine"}
    updated = fastdnn.update_parameters(params, {"dW1": draw(2, 3, 4), "db1": draw(3, 3, 1)}, 1)
    assert updated["note"] == "mine"
    assert updated["W1"].flags.f_contiguous
    np.testing.assert_array_equal(updated["W1"], W - draw(2, 3, 4))


def test_default_parameters_are_the_courses():
    for got, expected in [
        (fastdnn.initialize_parameters(3, 2, 1), reference.initialize_parameters(3, 2, 1)),
        (
            fastdnn.initialize_parameters_deep([5, 4, 3]),
            reference.initialize_parameters_deep([5, 4, 3]),
        ),
    ]:
        assert list(got) == list(expected)
        for key in expected:
            assert got[key].shape == expected[key].shape
            assert got[key].dtype == expected[key].dtype
            np.testing.assert_array_equal(got[key], expected[key])
    np.testing.assert_allclose(
        fastdnn.initialize_parameters(3, 2, 1)["W1"],
        [[0.01624345, -0.00611756, -0.00528172], [-0.01072969, 0.00865408, -0.02301539]],
        atol=5e-9,
    )


def test_the_global_generator_is_never_touched():
    np.random.seed(42)
    expected = np.random.randn(3)
    np.random.seed(42)
    fastdnn.initialize_parameters(3, 2, 1)
    fastdnn.initialize_parameters_deep([3, 2, 1], rng=7)
    np.testing.assert_array_equal(np.random.randn(3), expected)


def test_rng_takes_a_seed_or_a_generator():
    dims = [4, 3, 2]
    seeded = fastdnn.initialize_parameters_deep(dims, rng=5)["W2"]
    random = np.random.RandomState(5)
    random.randn(3, 4)
    np.testing.assert_array_equal(seeded, random.randn(2, 3) * 0.01)
    state = fastdnn.initialize_parameters_deep(dims, rng=np.random.RandomState(5))["W2"]
    np.testing.assert_array_equal(seeded, state)
    modern = fastdnn.initialize_parameters_deep(dims, rng=np.random.default_rng(5))["W1"]
    np.testing.assert_array_equal(modern, np.random.default_rng(5).standard_normal((3, 4)) * 0.01)
    generator = np.random.default_rng(5)
    first = fastdnn.initialize_parameters_deep(dims, rng=generator)["W1"]
    second = fastdnn.initialize_parameters_deep(dims, rng=generator)["W1"]
    assert not np.array_equal(first, second)


def test_scales_and_element_types():
    dims = [400, 300]
    draws = np.random.RandomState(3).randn(300, 400)
    for scale, expected in [
        (2, draws * 2),
        ("lecun", draws / np.sqrt(400)),
        ("he", draws * np.sqrt(2 / 400)),
    ]:
        W1 = fastdnn.initialize_parameters_deep(dims, scale=scale)["W1"]
        np.testing.assert_array_equal(W1, expected)
    single = fastdnn.initialize_parameters_deep(dims, dtype="float32")
    assert {array.dtype for array in single.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(single["W1"], (draws * 0.01).astype(np.float32))


# --------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("dims", [[3, 1], [4, 5, 1], [3, 6, 4, 2]])
@pytest.mark.parametrize("order", "CF")
def test_gradients_against_finite_differences(dims, order):
    m = 6
    X = np.asarray(draw(0, dims[0], m), order=order)
    Y = (draw(1, dims[-1], m) > 0).astype(float)
    parameters = {}
    for l in range(1, len(dims)):
        parameters[f"W{l}"] = draw(2 * l, dims[l], dims[l - 1])
        parameters[f"b{l}"] = draw(2 * l + 1, dims[l], 1)

    def cost(X, parameters):
        return float(fastdnn.compute_cost(fastdnn.L_model_forward(X, parameters)[0], Y))

    AL, caches = fastdnn.L_model_forward(X, parameters)
    grads = fastdnn.L_model_backward(AL, Y, caches)
    step = 1e-6
    for key in [*parameters, "X"]:
        # the course's dA is the gradient of m times the cost
        analytic = grads["dA0"] / m if key == "X" else grads["d" + key]
        numeric = np.empty_like(analytic)
        for index in np.ndindex(numeric.shape):
            costs = []
            for sign in (1, -1):
                moved = {name: array.copy() for name, array in [*parameters.items(), ("X", X)]}
                moved[key][index] += sign * step
                costs.append(cost(moved.pop("X"), moved))
            numeric[index] = (costs[0] - costs[1]) / (2 * step)
        np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-8, err_msg=key)


# ------------------------------------------------------------------------------ NaN, inf and memory


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_passes_as_in_numpy(bad):
    X = draw(0, 3, 5)
    X[1, 2] = bad
    parameters = {
        "W1": draw(1, 4, 3),
        "b1": draw(2, 4, 1),
        "W2": draw(3, 1, 4),
        "b2": draw(4, 1, 1),
    }
    Y = np.array([[0.0, 1, 0, 1, 1]])
    AL, caches = fastdnn.L_model_forward(X, parameters)
    cost = fastdnn.compute_cost(AL, Y)
    grads = fastdnn.L_model_backward(AL, Y, caches)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected_AL, expected_caches = reference.L_model_forward(X, parameters)
        expected_cost = reference.compute_cost(expected_AL, Y)
        expected_grads = reference.L_model_backward(expected_AL, Y, expected_caches)
    np.testing.assert_allclose(AL, expected_AL)
    np.testing.assert_allclose(cost, expected_cost)
    for key in expected_grads:
        np.testing.assert_allclose(grads[key], expected_grads[key], atol=1e-12, err_msg=key)


def test_memory_mapped_input(tmp_path):
    X = np.memmap(tmp_path / "X", np.float64, "w+", shape=(3, 5), order="F")
    X[...] = draw(0, 3, 5)
    X.flush()
    X = np.memmap(tmp_path / "X", np.float64, "r", shape=(3, 5), order="F")
    W, b = draw(1, 4, 3), draw(2, 4, 1)
    Z, _ = fastdnn.linear_forward(X, W, b)
    np.testing.assert_allclose(Z, W @ draw(0, 3, 5) + b)


def test_calls_from_many_threads_agree():
    from concurrent.futures import ThreadPoolExecutor

    X, W, b = draw(0, 50, 200), draw(1, 40, 50), draw(2, 40, 1)
    expected, _ = fastdnn.linear_activation_forward(X, W, b, "sigmoid")
    draws = fastdnn.initialize_parameters_deep([50, 40], rng=9)["W1"]

    def work(_):
        A, _ = fastdnn.linear_activation_forward(X, W, b, "sigmoid")
        return A, fastdnn.initialize_parameters_deep([50, 40], rng=9)["W1"]

    with ThreadPoolExecutor(4) as pool:
        for A, W1 in pool.map(work, range(100)):
            np.testing.assert_allclose(A, expected, rtol=1e-13)
            np.testing.assert_array_equal(W1, draws)
