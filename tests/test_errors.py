"""What is refused and how it is said, and what is odd and taken."""

import collections
import fractions
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.neural_network

import fastdnn
from fastdnn.estimators import MLPClassifier

X = np.random.default_rng(0).normal(size=(6, 2))
Y = np.array([0, 1, 0, 1, 1, 0])
PARAMETERS = fastdnn.initialize_parameters(2, 3, 1)


def network(**options):
    return fastdnn.Network([2, 3, 1], rng=0, **options)


# --------------------------------------------------------------------------------------- containers


def endless(kind):
    row = [1.0]
    row.append(kind([row]) if kind is not list else row)
    return row


@pytest.mark.parametrize("kind", [list, tuple, collections.deque])
def test_containers_that_contain_themselves(kind):
    for name, call in {
        "Z": fastdnn.relu,
        "Y": lambda bad: fastdnn.compute_cost(np.full((1, 2), 0.5), bad),
        "X": network().predict,
        "b": lambda bad: fastdnn.linear_forward(X.T, np.ones((3, 2)), bad),
    }.items():
        with pytest.raises(ValueError, match=f"^{name} is a list that contains itself"):
            call(endless(kind))
    two = []
    two += [two, two]
    with pytest.raises(ValueError, match="^Z is a list that contains itself"):
        fastdnn.relu(two)


def test_containers_that_are_nested_too_deeply():
    deep = 1.0
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ValueError, match="^Z is nested over 64 deep"):
        fastdnn.relu(deep)
    row = [1.0, 2.0]
    np.testing.assert_array_equal(fastdnn.relu([row, row])[0], [[1, 2], [1, 2]])


class Gives:
    """An array's owner, as netCDF's variables are."""

    def __array__(self, dtype=None, copy=None):
        return np.ma.masked_array([[1.0, 2.0]], mask=[[0, 1]])


MASKED = np.ma.masked_array([1.0, 2.0], mask=[1, 0])


@pytest.mark.parametrize(
    "bad",
    [
        [MASKED, MASKED],
        collections.deque([MASKED]),
        collections.UserList([(1.0, np.ma.masked)]),
        np.array([[1.0, np.ma.masked]], object),
        Gives(),
    ],
    ids=["list", "deque", "UserList", "object", "__array__"],
)
def test_masks_inside_a_container(bad):
    for call in (fastdnn.relu, network().predict):
        with pytest.raises(TypeError, match="^[ZX] (is a masked array|.*MaskedConstant)"):
            call(bad)


def test_the_estimators_take_masked_arrays_as_scikit_learn_does():
    masked = np.ma.masked_array(X, mask=X > 1)
    for given in (masked, list(masked)):
        options = {"max_iter": 5, "random_state": 0, "tol": 0}
        with pytest.warns(sklearn.exceptions.ConvergenceWarning):
            models = [
                kind((3,), **options).fit(given, Y)
                for kind in (MLPClassifier, sklearn.neural_network.MLPClassifier)
            ]
        np.testing.assert_allclose(*[model.predict_proba(masked) for model in models], rtol=1e-9)


# ------------------------------------------------------------------------------------------- tables

TABLES = {
    "bool": pd.DataFrame({"a": [1.0, 2, 3], "b": [True, False, True]}),
    "nullable": pd.DataFrame(
        {"a": pd.array([1, 2, 3], "Int64"), "b": pd.array([1, 0, 1], "Float32")}
    ),
    "nullable bool": pd.DataFrame(
        {"a": pd.array([1, 2, 3], "UInt8"), "b": pd.array([True, False, True], "boolean")}
    ),
    "object": pd.DataFrame({"a": [1, 2.0, np.float32(3)], "b": [1.0, 0, np.True_]}, dtype=object),
    "fractions": np.array([[1, fractions.Fraction(1)], [2, 0], [3, True]], object),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_numbers_of_any_type(name):
    table, right = TABLES[name], np.array([[1.0, 1], [2, 0], [3, 1]])
    net = network()
    np.testing.assert_array_equal(net.predict(table), net.predict(right))
    y = pd.Series([0, 1, 1], dtype="Int64" if name == "nullable" else object)
    weights = pd.Series([1.0, 2, 1], dtype="Float64" if name == "nullable" else object)
    twin = network()
    net.fit(table, y, sample_weight=weights, epochs=2)
    twin.fit(right, [0, 1, 1], sample_weight=[1.0, 2, 1], epochs=2)
    for key, value in twin.parameters.items():
        np.testing.assert_array_equal(net.parameters[key], value)


def test_tables_that_lack_an_entry_or_hold_text():
    lacking = pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": [1.0, 0, 1]})
    with pytest.raises(ValueError, match="^X must be finite in float64, but row 1 is not"):
        network().fit(lacking, [0, 1, 1])
    for bad, kind in (("text", "str"), (None, "NoneType"), (1j, "complex"), ([1], "list")):
        column = pd.Series([1.0, bad, 2.0], dtype=object)
        with pytest.raises(TypeError, match=f"^X must .* objects of type {kind}$"):
            network().predict(pd.DataFrame({"a": column, "b": [1.0, 0, 1]}))
    with pytest.raises(ValueError, match="^X holds a number that is too large for float64"):
        network().predict([[10**400, 1]])


# ------------------------------------------------------------------------------- sizes and numbers


@pytest.mark.parametrize("dims", [[2**31 - 1] * 2, [2**31 - 1] * 4, [1, 2**31 - 1, 2**30, 1]])
def test_more_weights_than_memory_has_addresses(dims):
    for make in (fastdnn.Network, fastdnn.initialize_parameters_deep):
        with pytest.raises(ValueError, match="^layer_dims .* ask for [0-9]+ weights, more than"):
            make(dims)


def test_a_bias_of_one_element_may_be_flat():
    A, W = np.arange(6.0).reshape(2, 3), np.arange(8.0).reshape(4, 2)
    for b in (np.array([0.5]), [0.5], np.array([0.5], np.float32)):
        np.testing.assert_array_equal(fastdnn.linear_forward(A, W, b)[0], np.dot(W, A) + b)
    parameters = {"W1": W[:1], "b1": np.array([0.5])}
    AL, caches = fastdnn.L_model_forward(A, parameters)
    grads = fastdnn.L_model_backward(AL, np.ones((1, 3)), caches)
    np.testing.assert_array_equal(
        fastdnn.update_parameters(parameters, grads, 0.1)["b1"],
        parameters["b1"] - 0.1 * grads["db1"],
    )
    # NumPy would add these to the columns, or fail
    for b in (np.ones(3), np.ones(4), np.ones((1, 3)), np.ones((1, 1, 1))):
        with pytest.raises(ValueError, match="^b (must have 2 dimensions|has shape)"):
            fastdnn.linear_forward(A, W, b)


@pytest.mark.parametrize("rate", [np.array(0.1), np.array([0.1]), np.array([[0.1]], np.float64)])
def test_a_learning_rate_in_an_array(rate):
    grads = {"dW1": np.ones((3, 2)), "db1": np.ones((3, 1))}
    grads |= {"dW2": np.ones((1, 3)), "db2": np.ones((1, 1))}
    right = fastdnn.update_parameters(PARAMETERS, grads, 0.1)
    for key, value in fastdnn.update_parameters(PARAMETERS, grads, rate).items():
        np.testing.assert_array_equal(value, right[key])
    assert fastdnn.SGD(rate) == fastdnn.SGD(0.1)
    costs = [
        fastdnn.two_layer_model(X.T, Y, (2, 3, 1), each, 2)[1] for each in (rate, np.float64(0.1))
    ]
    np.testing.assert_array_equal(*costs)
    network().fit(X, Y, optimizer=fastdnn.SGD(lambda epoch: rate))
    with pytest.raises(TypeError, match="^learning_rate must be"):
        fastdnn.SGD(np.ones(2))


@pytest.mark.parametrize(
    "make",
    [
        lambda: fastdnn.SGD(10**400),
        lambda: fastdnn.Adam(epsilon=10**5000),
        lambda: fastdnn.StepDecay(0.1, 10**400),
        lambda: fastdnn.Cosine(10**400, 3),
        lambda: network().fit(X, Y, l2=10**400),
        lambda: network().fit(X, Y, optimizer=fastdnn.SGD(lambda epoch: 10**5000)),
    ],
)
def test_numbers_that_no_float_holds(make):
    with pytest.raises(ValueError, match=r"^\w+ must be .*finite, got"):
        make()


def test_nesterov_is_true_or_false():
    for bad in ("no", None, 2, "True"):
        with pytest.raises(TypeError, match="^nesterov must be True or False, got"):
            fastdnn.SGD(nesterov=bad)
    assert fastdnn.SGD(0.1, 0.9, np.True_).nesterov


@pytest.mark.parametrize(
    ("schedule", "epoch"),
    [
        (fastdnn.StepDecay(1.0, 1, 10.0), 400),
        (fastdnn.StepDecay(1, 1, 2), 5000),
        (fastdnn.OneCycle(1e308, 10, start=10), 0),
    ],
)
def test_schedules_that_overflow(schedule, epoch):
    assert schedule(5) >= 0
    with pytest.raises(ValueError, match=f"^the learning rate of epoch {epoch} is too large"):
        schedule(epoch)


@pytest.mark.parametrize("bad", ["0.1", None, [0.1], 1j, {}])
def test_schedules_that_give_no_number(bad):
    with pytest.raises(TypeError, match="^learning_rate must be a number, got"):
        network().fit(X, Y, optimizer=fastdnn.SGD(lambda epoch: bad))


# ------------------------------------------------------------------------------------------- states


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("steps", bad) for bad in (2**63, -1, 1.0, None, np.array([1, 2]))),
        *(("epochs", bad) for bad in (2**63, "2")),
        *(("kind", bad) for bad in ([], {}, "AdaGrad", 3)),
        *(("layer_dims", bad) for bad in (5, None)),
        *(("params", bad) for bad in (np.full(13, np.nan), np.full(13, np.inf), np.ones(12))),
        *(("moments", bad) for bad in (None, (), (None, None), (np.ones(13), np.ones((13, 1))))),
        *(("gram_state", bad) for bad in ([], 3, {"W0": 1})),
        ("optimizer", "adam"),
        ("rng", 1),
    ],
)
def test_states_that_are_none(name, bad):
    net = network()
    net.fit(X, Y, epochs=2)
    state = net.state_dict()
    with pytest.raises(ValueError, match=rf"^state\['{name}'\] is not of this network"):
        net.load_state_dict({**state, name: bad})
    assert net.epochs == 2
    np.testing.assert_array_equal(net.state_dict()["params"], state["params"])


def test_states_with_numpys_integers_go_on():
    nets = network(), network()
    nets[0].fit(X, Y, epochs=2)
    state = nets[0].state_dict()
    nets[1].load_state_dict(
        {
            **state,
            "steps": np.int64(state["steps"]),
            "epochs": np.uint8(state["epochs"]),
            "layer_dims": np.array(state["layer_dims"]),
        }
    )
    for net in nets:
        net.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(*(net.state_dict()["params"] for net in nets))
    assert nets[1].epochs == 4


# -------------------------------------------------------------------------------------------- files


def write(path, part, **others):
    with h5py.File(path / f"{part}_catvnoncat.h5", "w") as file:
        arrays = {f"{part}_set_x": np.zeros((2, 4, 4, 3), np.uint8), f"{part}_set_y": [0, 1]}
        for name, array in (arrays | {"list_classes": [b"non-cat", b"cat"]} | others).items():
            if array is None:
                file.create_group(name)
            else:
                file.create_dataset(name, data=array)


@pytest.mark.parametrize("name", ["train_set_x", "list_classes"])
def test_groups_in_place_of_datasets(tmp_path, name):
    write(tmp_path, "test")
    write(tmp_path, "train", **{name: None})
    with pytest.raises(ValueError, match=f"train_catvnoncat.h5 has a group '{name}'"):
        fastdnn.load_data(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "of Git LFS"),
        (b"<!DOCTYPE html>", "cannot be read"),
    ],
)
def test_files_that_hold_no_photographs(tmp_path, content, message):
    write(tmp_path, "train")
    (tmp_path / "test_catvnoncat.h5").write_bytes(content)
    with pytest.raises(OSError, match=f"test_catvnoncat.h5 cannot be read: .*{message}|{message}:"):
        fastdnn.load_data(tmp_path)


# ------------------------------------------------------------------------- figures and installation


def run(code, tmp_path):
    return subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code)],
        capture_output=True, encoding="utf-8", cwd=tmp_path, timeout=120, check=False,
    )  # fmt: skip


def test_a_figure_is_the_current_one(tmp_path):
    code = """
        import matplotlib
        matplotlib.use("agg")
        import matplotlib.pyplot as plt, numpy as np, fastdnn
        X = np.linspace(0, 1, 48 * 3).reshape(48, 3)
        figure = fastdnn.print_mislabeled_images([b"a", b"b"], X, [0, 1, 0], [1, 1, 0])
        assert plt.gcf() is figure
        plt.savefig("one.png")
        figure.savefig("two.png")
        costs = fastdnn.plot_costs([3, 2, 1])
        assert plt.gcf() is costs is not figure
        print(open("one.png", "rb").read() == open("two.png", "rb").read())
    """
    done = run(code, tmp_path)
    assert done.stdout.split() == ["True"], done.stderr


def test_without_scipy(tmp_path):
    done = run("import sys; sys.modules['scipy'] = None; import fastdnn", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: fastdnn computes with SciPy's BLAS, but SciPy cannot")
    assert last.endswith("pip install scipy")


def test_beside_a_blas_of_other_integers(tmp_path):
    code = """
        import ctypes, scipy.linalg.cython_blas as blas
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        signature = b"void (char *, npy_int64 *)"
        for name in blas.__pyx_capi__:
            blas.__pyx_capi__[name] = new(1, signature, None)
        import fastdnn
    """
    done = run(code, tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: fastdnn was built for another BLAS than that of SciPy")
    assert "pip install" in last


# ------------------------------------------------------------------------------- the course's names


def test_update_parameters_by_either_name():
    grads = {f"d{key}": np.ones_like(value) for key, value in PARAMETERS.items()}
    before = {key: value.copy() for key, value in PARAMETERS.items()}
    right = fastdnn.update_parameters(PARAMETERS, grads, 0.1)
    for updated in (
        fastdnn.update_parameters(parameters=PARAMETERS, grads=grads, learning_rate=0.1),
        fastdnn.update_parameters(params=PARAMETERS, grads=grads, learning_rate=0.1),
    ):
        for key, value in right.items():
            np.testing.assert_array_equal(updated[key], value)
            np.testing.assert_array_equal(PARAMETERS[key], before[key])
    with pytest.raises(TypeError, match="^params and parameters are one argument"):
        fastdnn.update_parameters(PARAMETERS, grads, 0.1, parameters=PARAMETERS)
    with pytest.raises(TypeError, match="^learning_rate must be a number, got None"):
        fastdnn.update_parameters(PARAMETERS, grads)
    with pytest.raises(TypeError, match="^params must be a dict"):
        fastdnn.update_parameters(grads=grads, learning_rate=0.1)


@pytest.mark.parametrize("dims", [[12288, 20, 7, 5, 1], [2, 3, 1], [1, 1]])
def test_the_helper_files_parameters(dims):
    np.random.seed(1)
    drawn = fastdnn.initialize_parameters_deep(dims, rng=1, scale="lecun")
    assert len(drawn) == 2 * len(dims) - 2
    for l in range(1, len(dims)):
        W = np.random.randn(dims[l], dims[l - 1]) / np.sqrt(dims[l - 1])
        np.testing.assert_array_equal(drawn[f"W{l}"], W)
        np.testing.assert_array_equal(drawn[f"b{l}"], np.zeros((dims[l], 1)))


@pytest.mark.parametrize("name", ["gram_state", "moments"])
@pytest.mark.parametrize("value", ["a number", "an array of numbers", "not finite"])
def test_states_whose_parts_are_none(name, value):
    net = fastdnn.Network([6, 2, 1], rng=0)
    net.fit(
        np.ones((3, 6)), np.ones(3), optimizer=fastdnn.SGD(0.1, momentum=0.9), first_layer="gram"
    )
    state = net.state_dict()
    if value == "not finite":
        part = state["gram_state"]["C"] if name == "gram_state" else state["moments"][0]
        part[0] = np.nan
    else:
        state[name] = np.float64(3.0) if value == "a number" else np.ones(5)
    with pytest.raises(ValueError, match=name):
        net.load_state_dict(state)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layer_dims", np.array([[6, 2, 1]])),
        ("layer_dims", 5),
        ("layer_dims", [6, 2.5, 1]),
        ("kind", np.array(["adam", "sgd"])),
        ("kind", []),
        ("params", [[1], [2, 3]]),
        ("params", None),
    ],
)
def test_states_name_what_is_none(name, value):
    net = fastdnn.Network([6, 2, 1], rng=0)
    with pytest.raises(ValueError, match=f"state.*{name}"):
        net.load_state_dict({**net.state_dict(), name: value})


def test_masks_are_not_dropped():
    net = fastdnn.Network([6, 2, 1], rng=0)
    state = net.state_dict()
    with pytest.raises(TypeError, match="masked"):
        net.load_state_dict({**state, "params": np.ma.masked_array(state["params"], True)})
    for rate in (np.ma.masked, np.ma.array([0.5], mask=[True]), np.ma.array(0.5)):
        with pytest.raises(TypeError, match="learning_rate must be a number, got a masked"):
            fastdnn.SGD(rate)
    with pytest.raises(TypeError, match="nesterov must be True or False"):
        fastdnn.SGD(0.1, 0.9, np.array([True, False]))


def broken(kind):
    """Make a sparse matrix whose parts do not fit together, which SciPy would not see."""
    X = scipy.sparse.coo_matrix(np.random.default_rng(0).normal(size=(8, 5)))
    if kind == "coo, column":
        X.col[0] = 10**8
    elif kind == "coo, row":
        X.row[3] = -5
    elif kind == "coo, length":
        X.data = X.data[:-3]
    elif kind == "csc":
        X = X.tocsc()
        X.indices[2] = 10**6
    elif kind == "bsr":
        X = X.tobsr((2, 5))
        X.indices[1] = -4
    else:
        X = X.tolil()
        X.rows[0], X.data[0] = [1], [1.0] * 10**5
    return X


@pytest.mark.parametrize("kind", ["coo, column", "coo, row", "coo, length", "csc", "bsr", "lil"])
def test_sparse_matrices_that_do_not_fit_together(kind):
    y = np.arange(8) % 2
    with pytest.raises(ValueError, match=r"X|index|indices"):
        fastdnn.Network([5, 2, 1], rng=0).predict(broken(kind))
    with pytest.raises(ValueError, match=r"X|index|indices"):
        fastdnn.Network([5, 2, 1], rng=0).fit(broken(kind), y)


def test_bounds_below_the_smallest_normal_number_are_not_taken_as_none():
    X, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    net = fastdnn.Network([3, 4, 1], rng=0)
    W1 = net.parameters["W1"].copy()
    net.fit(X, y, optimizer=fastdnn.SGD(0.1), clip_norm=1e-310)
    np.testing.assert_array_equal(net.parameters["W1"], W1)
    X[:, 0] = 0
    for dtype, epsilon in (("float32", 1e-40), ("float64", 1e-310)):
        net = fastdnn.Network([3, 4, 1], dtype=dtype, rng=0)
        net.fit(X, y, optimizer=fastdnn.Adam(0.01, epsilon=epsilon), epochs=3)
        assert np.isfinite(net.parameters["W1"]).all()
