"""The reference library reads this package's files, and this package the reference's."""

import io
import json

import numpy as np
import pytest

numpy_files = pytest.importorskip("safetensors.numpy")

import safetensors  # noqa: E402

import fastdnn  # noqa: E402
from fastdnn import ModelFileError, Network, load, save  # noqa: E402

X = np.random.default_rng(0).normal(size=(20, 4))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("training_state", [False, True])
def test_the_reference_reads_ours(training_state, dtype, tmp_path):
    net = Network([4, 5, 3, 1], "tanh", dtype=dtype, rng=0)
    net.fit(X, X[:, :1] > 0, epochs=2)
    path = tmp_path / "net.safetensors"
    save(net, path, training_state=training_state)
    found = numpy_files.load_file(path)
    assert found.keys() - {"m1", "m2"} == {"W1", "b1", "W2", "b2", "W3", "b3"}
    A = X.astype(dtype)
    for l, act in enumerate((np.tanh, np.tanh, lambda z: 1 / (1 + np.exp(-z))), 1):
        W, b = found[f"W{l}"], found[f"b{l}"]
        assert W.dtype == b.dtype == dtype
        np.testing.assert_array_equal(W, net.parameters[f"W{l}"].T)
        np.testing.assert_array_equal(b, net.parameters[f"b{l}"].ravel())
        A = act(A @ W + b)
    np.testing.assert_allclose(A, net.predict(X), rtol=1e-4)
    with safetensors.safe_open(path, "numpy") as file:
        document = json.loads(file.metadata()["fastdnn"])
    assert document["network"]["layer_dims"] == [4, 5, 3, 1]
    assert document["kind"] == "Network"


def test_the_reference_reads_ours_of_an_estimator(tmp_path):
    pytest.importorskip("sklearn")
    from perceptrons import quietly

    from fastdnn.estimators import MLPClassifier

    est = quietly(MLPClassifier((3,), max_iter=2).fit, X.astype("f"), X[:, 0] > 0)
    save(est, tmp_path / "est", training_state=True)
    found = numpy_files.load_file(tmp_path / "est")
    np.testing.assert_array_equal(found["W1"], est.coefs_[0])
    np.testing.assert_array_equal(found["b2"], est.intercepts_[1])
    np.testing.assert_array_equal(found["loss_curve_"], est.loss_curve_)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ours_reads_the_reference_s(dtype, tmp_path):
    parameters = fastdnn.initialize_parameters_deep([5, 4, 1], rng=0, dtype=dtype)
    path = tmp_path / "parameters.safetensors"
    for metadata in (None, {"format": "np"}):
        numpy_files.save_file(parameters, path, metadata)
        found = load(path)
        assert sorted(found) == ["W1", "W2", "b1", "b2"]
        for name, array in parameters.items():
            np.testing.assert_array_equal(found[name], array)


def test_ours_reads_what_the_reference_has_written_again(tmp_path):
    net = Network([4, 5, 1], rng=0, dtype="float32")
    net.fit(X, X[:, :1] > 0, epochs=2)
    path = tmp_path / "net"
    save(net, path, training_state=True)
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    numpy_files.save_file(numpy_files.load_file(path), path, metadata)
    other = load(path)
    one, two = (n.fit(X, X[:, :1] > 0, epochs=2).costs for n in (net, other))
    assert one == two


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"weight": np.ones((2, 3))}, "not the course's parameters"),
        ({"W1": np.ones((2, 3))}, "no array 'b1'"),
        ({"W1": np.ones((2, 3)), "b1": np.ones(2)}, "b1 has shape (2,)"),
        ({"W1": np.ones((2, 3)), "b1": np.ones((2, 1)), "W2": np.ones((1, 3)), "b2": np.ones(1)},
         "W2 has shape (1, 3)"),
        ({"W1": np.ones((2, 3), "f2"), "b1": np.ones((2, 1), "f2")}, "dtype must be F32 or F64"),
        ({"W1": np.ones((2, 3)), "b1": np.full((2, 1), np.nan)}, "b1 holds nan"),
        ({"W1": np.ones((2, 3)), "b1": np.ones((2, 1)), "extra": np.ones(1)}, "array extra"),
        ({"W1": np.ones((0, 3)), "b1": np.ones((0, 1))}, "W1 is empty"),
        ({}, "not the course's parameters"),
    ],
)  # fmt: skip
def test_files_of_the_reference_s_that_are_no_model(arrays, words):
    with pytest.raises(ModelFileError) as raised:
        load(io.BytesIO(numpy_files.save(arrays)))
    assert words in str(raised.value)


def test_what_this_package_refuses_is_at_least_what_the_reference_refuses():
    file = io.BytesIO()
    save(Network([2, 3, 1], rng=0), file)
    file = file.getvalue()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(3000):
        mutant = bytearray(file)
        for at in random.integers(0, len(file), random.integers(1, 3)):
            mutant[at] = random.integers(256)
        try:
            numpy_files.load(bytes(mutant))
        except Exception:
            refused += 1
            with pytest.raises(ModelFileError):
                load(io.BytesIO(bytes(mutant)))
    assert refused > 100
