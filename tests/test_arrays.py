"""The door: what is refused, and how the error names it."""

import numpy as np
import pytest

import fastdnn
from fastdnn._arrays import arena

A, W, B = np.ones((3, 5)), np.ones((4, 3)), np.zeros((4, 1))
Z = np.ones((4, 5))
LAYER = ((A, W, B), Z)
PARAMETERS = {"W1": W, "b1": B, "W2": np.ones((1, 4)), "b2": np.zeros((1, 1))}
AL, CACHES = fastdnn.L_model_forward(A, PARAMETERS)
Y = np.ones((1, 5))
GRADS = fastdnn.L_model_backward(AL, Y, CACHES)

# every function that takes an array, as a function of that one argument
TAKERS = {
    "linear_forward A": lambda x: fastdnn.linear_forward(x, W, B),
    "linear_forward W": lambda x: fastdnn.linear_forward(A, x, B),
    "linear_forward b": lambda x: fastdnn.linear_forward(A, W, x),
    "linear_activation_forward A_prev": lambda x: fastdnn.linear_activation_forward(
        x, W, B, "relu"
    ),
    "linear_activation_forward W": lambda x: fastdnn.linear_activation_forward(A, x, B, "relu"),
    "linear_activation_forward b": lambda x: fastdnn.linear_activation_forward(A, W, x, "relu"),
    "L_model_forward X": lambda x: fastdnn.L_model_forward(x, PARAMETERS),
    "L_model_forward W1": lambda x: fastdnn.L_model_forward(A, {**PARAMETERS, "W1": x}),
    "L_model_forward b2": lambda x: fastdnn.L_model_forward(A, {**PARAMETERS, "b2": x}),
    "compute_cost AL": lambda x: fastdnn.compute_cost(x, Y),
    "compute_cost Y": lambda x: fastdnn.compute_cost(AL, x),
    "linear_backward dZ": lambda x: fastdnn.linear_backward(x, LAYER[0]),
    "linear_backward A_prev": lambda x: fastdnn.linear_backward(Z, (x, W, B)),
    "linear_backward W": lambda x: fastdnn.linear_backward(Z, (A, x, B)),
    "linear_activation_backward dA": lambda x: fastdnn.linear_activation_backward(x, LAYER, "relu"),
    "linear_activation_backward Z": lambda x: fastdnn.linear_activation_backward(
        Z, (LAYER[0], x), "relu"
    ),
    "L_model_backward AL": lambda x: fastdnn.L_model_backward(x, Y, CACHES),
    "L_model_backward Y": lambda x: fastdnn.L_model_backward(AL, x, CACHES),
    "update_parameters W1": lambda x: fastdnn.update_parameters(
        {**PARAMETERS, "W1": x}, GRADS, 0.1
    ),
    "update_parameters dW1": lambda x: fastdnn.update_parameters(
        PARAMETERS, {**GRADS, "dW1": x}, 0.1
    ),
    "sigmoid Z": lambda x: fastdnn.sigmoid(x),
    "relu Z": lambda x: fastdnn.relu(x),
    "sigmoid_backward dA": lambda x: fastdnn.sigmoid_backward(x, Z),
    "relu_backward cache": lambda x: fastdnn.relu_backward(Z, x),
}
MATRIX_TAKERS = [
    name
    for name in TAKERS
    if not name.startswith(("sigmoid", "relu", "update")) and not name.endswith(" Y")
]
VECTOR = np.ones(5)


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize(
    "bad",
    [
        None,
        np.array([["a"]]),
        np.array([[object()]]),
        np.ones((4, 5), complex),
        np.ones((4, 5), np.longdouble),
        np.ones((4, 5), "M8[s]"),
        np.ma.masked_array(np.ones((4, 5)), mask=False),
        "text",
        {},
    ],
    ids=["None", "str", "object", "complex", "longdouble", "datetime", "masked", "text", "dict"],
)
@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double here")
def test_what_is_no_array_of_real_numbers_is_a_type_error(name, bad):
    argument = name.split()[1]
    with pytest.raises(TypeError, match=rf"(^|\W){argument}\b"):
        TAKERS[name](bad)


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize(
    "bad", [np.ones((4, 0)), np.ones((0, 5)), []], ids=["(4,0)", "(0,5)", "[]"]
)
def test_what_is_empty_is_a_value_error(name, bad):
    argument = name.split()[1]
    with pytest.raises(ValueError, match=rf"(^|\W){argument} must not be empty, got shape"):
        TAKERS[name](bad)


@pytest.mark.parametrize("name", MATRIX_TAKERS)
@pytest.mark.parametrize("bad", [VECTOR, np.ones((1, 4, 5))], ids=["1-d", "3-d"])
def test_a_wrong_number_of_dimensions_is_a_value_error(name, bad):
    argument = name.split()[1]
    with pytest.raises(ValueError, match=rf"(^|\W){argument} must have 2 dimensions, got shape"):
        TAKERS[name](bad)


@pytest.mark.parametrize("name", TAKERS)
def test_a_dimension_beyond_blas_is_a_value_error(name):
    # a view of one number: it takes no memory, and must not be copied before it is refused
    bad = np.broadcast_to(np.float32(1), (1, 2**31))
    with pytest.raises(ValueError, match="no dimension may be over 2147483647|sizes must match"):
        TAKERS[name](bad)


def test_a_contiguous_dimension_beyond_blas_is_refused_too():
    try:
        huge = np.zeros((1, 2**31), np.int8).view(np.bool_)
        X = np.zeros((1, 2**31), np.float32)  # never touched, so it takes no memory either
    except MemoryError:
        pytest.skip("8 GiB of address space are not to be had")
    for bad in (huge, X, X.T):
        with pytest.raises(ValueError, match=r"A has shape .*no dimension may be over 2147483647"):
            fastdnn.linear_forward(bad, np.ones((1, 1), np.float32), 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: fastdnn.linear_forward(A, W.T, B),
            r"W has shape \(3, 4\) and A has shape \(3, 5\)",
        ),
        (
            lambda: fastdnn.linear_forward(A, W, B.T),
            r"b has shape \(1, 4\) and W has shape \(4, 3\)",
        ),
        (lambda: fastdnn.linear_forward(A, W, np.ones((3, 1))), r"b has shape \(3, 1\)"),
        (
            lambda: fastdnn.L_model_forward(A, {**PARAMETERS, "W2": np.ones((1, 3))}),
            r"W2 has shape \(1, 3\) and A1 has shape \(4, 5\)",
        ),
        (
            lambda: fastdnn.linear_backward(np.ones((4, 6)), LAYER[0]),
            r"dZ has shape \(4, 6\), .*A_prev \(3, 5\) and W \(4, 3\)",
        ),
        (
            lambda: fastdnn.linear_activation_backward(np.ones((5, 4)), LAYER, "relu"),
            r"dA has shape \(5, 4\), Z \(4, 5\)",
        ),
        (
            lambda: fastdnn.compute_cost(AL, np.ones((1, 4))),
            r"Y has shape \(1, 4\), but AL \(1, 5\)",
        ),
        (
            lambda: fastdnn.L_model_backward(AL, [1, 0], CACHES),
            r"Y has shape \(2,\), but AL \(1, 5\)",
        ),
        (
            lambda: fastdnn.update_parameters(PARAMETERS, {**GRADS, "dW1": np.ones((2, 2))}, 0.1),
            r"dW1 has shape \(2, 2\), but W1 \(4, 3\)",
        ),
        (lambda: fastdnn.relu_backward(Z, A), r"cache has shape \(3, 5\), but dA \(4, 5\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda act: fastdnn.linear_activation_forward(A, W, B, act),
        lambda act: fastdnn.linear_activation_backward(Z, LAYER, act),
    ],
)
@pytest.mark.parametrize("activation", ["Tanh", "swish", "", None, ["relu"], 1])
def test_an_unknown_activation_lists_the_known(call, activation):
    known = "'elu', 'gelu', .*'tanh', or a pair of functions"
    with pytest.raises(ValueError, match=f"activation must be one of {known}"):
        call(activation)


def test_masks_inside_a_list_are_refused():
    masked = np.ma.array([1.0, 0.0, 1, 1, 1], mask=[1, 0, 0, 0, 0])
    for bad in ([masked], [[1.0, 0, 1, 1, np.ma.masked]]):
        with pytest.raises(TypeError, match="^Y is a masked array"):
            fastdnn.compute_cost(AL, bad)


def test_labels_of_several_outputs_must_have_their_shape():
    outputs = np.full((2, 3), 0.3)
    with pytest.raises(ValueError, match=r"^Y has shape \(3, 2\), but AL \(2, 3\)"):
        fastdnn.compute_cost(outputs, np.ones((3, 2)))


def test_a_layer_of_the_caches_is_named():
    with pytest.raises(ValueError, match=r"dA2 has shape \(1, 4\), Z of caches\[1\] \(1, 5\)"):
        fastdnn.L_model_backward(np.full((1, 4), 0.5), np.ones((1, 4)), CACHES)


def test_more_elements_than_a_row_can_hold():
    try:
        Z = np.zeros((2, 2**30, 1), np.float32)  # never touched, so it takes no memory
    except MemoryError:
        pytest.skip("8 GiB of address space are not to be had")
    with pytest.raises(ValueError, match=r"^Z has shape .*need 2 dimensions"):
        fastdnn.sigmoid(Z)


def test_what_is_missing_is_named():
    without = {key: value for key, value in PARAMETERS.items() if key != "W2"}
    with pytest.raises(ValueError, match="parameters has no 'W2', only W1, b1, b2"):
        fastdnn.L_model_forward(A, {**without, "W3": W})
    with pytest.raises(ValueError, match="params has no 'W2'"):
        fastdnn.update_parameters({**without, "W3": W}, GRADS, 0.1)
    with pytest.raises(ValueError, match="grads has no 'db2'"):
        fastdnn.update_parameters(
            PARAMETERS, {key: value for key, value in GRADS.items() if key != "db2"}, 0.1
        )


@pytest.mark.parametrize("bad", [None, {}, 3, [], [W, B], W])
def test_parameters_that_are_no_dict_of_layers(bad):
    with pytest.raises((TypeError, ValueError), match="^parameters must be a dict"):
        fastdnn.L_model_forward(A, bad)
    with pytest.raises((TypeError, ValueError), match="^params must be a dict"):
        fastdnn.update_parameters(bad, GRADS, 0.1)
    with pytest.raises((TypeError, ValueError), match="^grads (must be a dict|has no)"):
        fastdnn.update_parameters(PARAMETERS, bad, 0.1)


@pytest.mark.parametrize("bad", [None, 3, (A, W), (A, W, B, B)])
def test_caches_of_another_form(bad):
    with pytest.raises(ValueError, match=r"^cache must be \(A_prev, W, b\)"):
        fastdnn.linear_backward(Z, bad)
    with pytest.raises(ValueError, match=r"^cache\[0\] must be \(A_prev, W, b\)"):
        fastdnn.linear_activation_backward(Z, (bad, Z), "relu")
    with pytest.raises(ValueError, match=r"^caches\[1\]\[0\] must be \(A_prev, W, b\)"):
        fastdnn.L_model_backward(AL, Y, [CACHES[0], (bad, AL)])


@pytest.mark.parametrize("bad", [None, 3, (), (LAYER[0],)])
def test_layer_caches_of_another_form(bad):
    with pytest.raises(ValueError, match=r"^cache must be \(\(A_prev, W, b\), Z\)"):
        fastdnn.linear_activation_backward(Z, bad, "relu")
    with pytest.raises(ValueError, match=r"^caches\[1\] must be \(\(A_prev, W, b\), Z\)"):
        fastdnn.L_model_backward(AL, Y, [CACHES[0], bad])


@pytest.mark.parametrize("bad", [None, 3, [], {0: LAYER}])
def test_caches_that_are_no_list(bad):
    with pytest.raises(ValueError, match="^caches must be the list"):
        fastdnn.L_model_backward(AL, Y, bad)


@pytest.mark.parametrize("bad", ["0.1", None, [0.1], np.ones(2), 1j])
def test_a_learning_rate_that_is_no_number(bad):
    with pytest.raises(TypeError, match="^learning_rate must be"):
        fastdnn.update_parameters(PARAMETERS, GRADS, bad)


def test_sizes_that_are_no_sizes():
    with pytest.raises(TypeError, match="n_h must be an integer, got 2.5"):
        fastdnn.initialize_parameters(3, 2.5, 1)
    with pytest.raises(ValueError, match="n_y must be at least 1, got 0"):
        fastdnn.initialize_parameters(3, 2, 0)
    for bad in (3, None, [3, "2"], [3, 2.0]):
        with pytest.raises(TypeError, match="layer_dims"):
            fastdnn.initialize_parameters_deep(bad)
    for bad in ([], [3], [3, 0], [3, -1], [3, 2**31]):
        with pytest.raises(ValueError, match="layer_dims"):
            fastdnn.initialize_parameters_deep(bad)


def test_other_options_of_initialize_parameters():
    for bad in ("1", 1.0, True, np.random):
        with pytest.raises(TypeError, match="rng must be"):
            fastdnn.initialize_parameters(3, 2, 1, rng=bad)
    with pytest.raises(ValueError, match="^rng: "):
        fastdnn.initialize_parameters(3, 2, 1, rng=-1)
    with pytest.raises(ValueError, match="^scale must be a number, 'lecun' or 'he', got"):
        fastdnn.initialize_parameters(3, 2, 1, scale="glorot")
    for bad in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="^scale must be at least 0 and finite, got"):
            fastdnn.initialize_parameters(3, 2, 1, scale=bad)
    for bad in ("int64", "float16", "foo"):
        with pytest.raises(ValueError, match="^dtype must be float32 or float64, got"):
            fastdnn.initialize_parameters(3, 2, 1, dtype=bad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_arena_begins_with_a_cache_line(dtype):
    for size in (1, 7, 1000, 300_000):
        array = arena(size, dtype)
        assert array.shape == (size,)
        assert array.dtype == dtype
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert not array.any()
