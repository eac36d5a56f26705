"""Loading the course's images, and the figures."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure

from fastdnn.images import load_data, plot_costs, print_mislabeled_images

# -------------------------------------------------------------------------------------------- data


def write_data(directory, part, **change):
    random = np.random.RandomState(0)
    datasets = {
        f"{part}_set_x": random.randint(0, 256, (6, 4, 4, 3), np.uint8),
        f"{part}_set_y": random.randint(0, 2, 6),
        "list_classes": np.array([b"non-cat", b"cat"]),
    }
    with h5py.File(directory / f"{part}_catvnoncat.h5", "w") as file:
        for key, value in (datasets | change).items():
            if value is not None:
                file[key] = value
    return datasets


@pytest.mark.parametrize("as_path", [str, Path])
def test_load_data(as_path, tmp_path):
    train, test = (write_data(tmp_path, part) for part in ("train", "test"))
    train_x, train_y, test_x, test_y, classes = load_data(as_path(tmp_path))
    np.testing.assert_array_equal(train_x, train["train_set_x"])
    np.testing.assert_array_equal(test_x, test["test_set_x"])
    assert train_x.dtype == np.uint8
    np.testing.assert_array_equal(train_y, train["train_set_y"][None])
    np.testing.assert_array_equal(test_y, test["test_set_y"][None])
    assert classes.tolist() == [b"non-cat", b"cat"]


def test_load_data_looks_in_datasets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    for part in ("train", "test"):
        write_data(tmp_path / "datasets", part)
    assert len(load_data()) == 5


def test_load_data_without_a_file(tmp_path):
    write_data(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "test_catvnoncat.h5"))):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"test_set_x": None}, "lacks a dataset"),
        ({"test_set_y": np.zeros(5)}, r"labels of shape \(5,\)"),
        ({"test_set_x": np.zeros((6, 4, 5, 3))}, r"images of shape \(6, 4, 5, 3\)"),
        ({"test_set_x": np.zeros((6, 5, 5, 3))}, r"test images of shape \(5, 5, 3\)"),
        ({"test_set_y": np.array([b"cat"] * 6)}, "not numbers"),
    ],
)
def test_load_data_refuses(change, match, tmp_path):
    write_data(tmp_path, "train")
    write_data(tmp_path, "test", **change)
    with pytest.raises(ValueError, match=match):
        load_data(tmp_path)


def test_load_data_of_no_hdf5_file(tmp_path):
    path = tmp_path / "train_catvnoncat.h5"
    path.write_text("cat")
    with pytest.raises(OSError, match=re.escape(str(path))):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("h5py", lambda: load_data("nowhere")),
        ("matplotlib.figure", lambda: plot_costs([1.0])),
        (
            "matplotlib.figure",
            lambda: print_mislabeled_images([b"a"], np.ones((3, 1)), [0], [0]),
        ),
    ],
    ids=["load_data", "plot_costs", "print_mislabeled_images"],
)
def test_missing_package_names_the_extra(module, call, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f'{module}.*pip install "{module[:4]}.*>='):
        call()


# ----------------------------------------------------------------------------------------- figures


def test_plot_costs():
    costs = [np.array(3.0), np.array(2.0), np.array(1.5)]
    figure = plot_costs(costs, learning_rate=0.01)
    assert isinstance(figure, Figure)
    (ax,) = figure.axes
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0, 3], [1, 2], [2, 1.5]])
    assert ax.get_title() == "Learning rate = 0.01"
    assert ax.get_xlabel() == "iterations (per hundreds)"
    assert ax.get_ylabel() == "cost"
    figure.draw_without_rendering()


def test_plot_costs_on_given_axes():
    figure = Figure()
    left, right = figure.subfigures(1, 2)
    ax = right.subplots()
    assert plot_costs(np.array([[2.0, 1.0]]), ax=ax) is figure
    assert len(ax.lines) == 1
    assert left.axes == []
    with pytest.raises(TypeError, match="costs must"):
        plot_costs(["a"], ax=ax)


def mislabeled():
    X = np.random.RandomState(0).randint(0, 256, (48, 5), np.uint8)
    y = np.array([[0, 1, 1, 0, 1]])
    p = np.array([[1.0, 1, 0, 0, 0]])
    return X, y, p


@pytest.mark.parametrize("classes", [np.array([b"non-cat", b"cat"]), ["non-cat", "cat"]])
def test_print_mislabeled_images(classes):
    X, y, p = mislabeled()
    figure = print_mislabeled_images(classes, X, y, p)
    assert isinstance(figure, Figure)
    insets = figure.axes[0].child_axes
    words = ["non-cat", "cat"]
    assert len(insets) == 3
    for inset, i in zip(insets, (0, 2, 4), strict=True):
        assert inset.get_title() == f"Prediction: {words[int(p[0, i])]} \n Class: {words[y[0, i]]}"
        np.testing.assert_array_equal(inset.images[0].get_array(), X[:, i].reshape(4, 4, 3))
    boxes = [inset.get_position().get_points() for inset in insets]
    for i, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[:i]:
            assert (high <= other_low).any() or (other_high <= low).any(), "images overlap"
    figure.draw_without_rendering()


def test_print_mislabeled_images_on_given_axes():
    X, y, p = mislabeled()
    figure = Figure()
    _, ax = figure.subplots(1, 2)
    flat = print_mislabeled_images(["non-cat", "cat"], X / 255, y.ravel(), p.ravel().tolist(), ax)
    assert flat is figure
    assert len(ax.child_axes) == 3


def test_no_image_is_mislabeled():
    X, y, _ = mislabeled()
    figure = print_mislabeled_images(["non-cat", "cat"], X, y, y)
    assert figure.axes[0].child_axes == []
    assert [text.get_text() for text in figure.axes[0].texts] == ["no image is mislabeled"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"X": np.ones((47, 5))}, "X has 47 rows"),
        ({"X": np.ones((49, 5))}, "X has 49 rows"),
        ({"X": np.ones(48)}, "X must have 2 dimensions"),
        ({"y": [0, 1]}, r"y has shape \(2,\)"),
        ({"p": [0, 1]}, r"p has shape \(2,\)"),
        ({"p": [2, 1, 1, 0, 1]}, "p holds 2"),
        ({"y": [-1, 1, 1, 0, 1]}, "y holds -1"),
        ({"p": [0.5, 1, 1, 0, 1]}, "p holds 0.5"),
    ],
)
def test_print_mislabeled_images_refuses(change, match):
    X, y, p = mislabeled()
    with pytest.raises(ValueError, match=match):
        print_mislabeled_images(**{"classes": ["a", "b"], "X": X, "y": y, "p": p} | change)


def test_figures_touch_no_window_system():
    code = """
import sys, numpy as np, fastdnn
fastdnn.plot_costs([2.0, 1.0])
fastdnn.print_mislabeled_images(["a", "b"], np.ones((12, 2)), [0, 1], [1, 1])
print("matplotlib.figure" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert run.stdout.split() == ["True", "False"]
