"""The demonstration of the command: the course's network on real photographs."""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fastdnn._arrays import Array
from fastdnn.application import L_layer_model, predict
from fastdnn.images import load_data, optional, plot_costs, print_mislabeled_images
from fastdnn.parameters import initialize_parameters_deep

TRAIN_IMAGES, TEST_IMAGES = 209, 50  # as many as the course has
MEASURED = 100  # iterations of plain NumPy

_SIDE = 64
_STEP = 8  # pixels between the places where a patch may begin
_TEST_COLUMNS, _TRAIN_COLUMNS = 80, 160  # of a photograph, in turn
_HIDDEN = (20, 7, 5)
_LEARNING_RATE = 0.0075


def demo(images: int, data: Path | None, iterations: int, seed: int, output: Path) -> None:
    """Train, print what came of it, and write the figure.

    Parameters
    ----------
    images : int
        Patches of scikit-learn's photographs to train on.
    data : Path or None
        Where the course's files are, to be used instead.
    iterations : int
        Steps of gradient descent.
    seed : int
        For the first weights and the places of the patches.
    output : Path
        Where to write the figure, a PNG.
    """
    # missing packages and data shall be noticed before the training, not after it
    optional("matplotlib.figure")
    output = output.absolute()
    folder = output.parent
    if (
        output.is_dir()
        or not folder.is_dir()
        or not os.access(output if output.exists() else folder, os.W_OK)
    ):
        raise OSError(f"cannot write to {output}")

    if data is None:
        photographs = _patches(images, seed)
        print("Patches of scikit-learn's photographs china.jpg (temple) and flower.jpg (flower).")
    else:
        photographs = load_data(data)
        print(f"Photographs from {data}.")
    train_x_orig, train_y, test_x_orig, test_y, classes = photographs
    train_x = train_x_orig.reshape(len(train_x_orig), -1).T / 255.0
    test_x = test_x_orig.reshape(len(test_x_orig), -1).T / 255.0
    layers_dims = [len(train_x), *_HIDDEN, 1]
    print(f"{train_x.shape[1]} images to train on, {test_x.shape[1]} to test on.")
    with _blas_threads() as threads:
        print(
            f"Network {layers_dims}, learning rate {_LEARNING_RATE}, "
            f"{iterations} iterations, {threads} BLAS thread{'s' * (threads != 1)}.\n"
        )
        start = time.perf_counter()
        parameters, costs = L_layer_model(
            train_x,
            train_y,
            layers_dims,
            _LEARNING_RATE,
            iterations,
            print_cost=True,
            rng=seed,
        )
        seconds = time.perf_counter() - start
        print("\nTraining images:", end=" ")
        predict(train_x, train_y, parameters)
        print("Test images:    ", end=" ")
        p = predict(test_x, test_y, parameters)
        print(f"\nfastdnn     {seconds:7.2f} s for {iterations} iterations")
        measured = min(MEASURED, iterations)
        theirs = _time_numpy(train_x, train_y, layers_dims, measured, seed) * iterations / measured
    extrapolated = f", extrapolated from its first {measured}" * (measured < iterations)
    print(
        f"plain NumPy {theirs:7.2f} s{extrapolated}\n"
        f"ratio       {theirs / seconds:7.2f}\n"
    )  # fmt: skip
    _figure(classes, test_x, test_y, p, costs, np.mean(p == test_y)).savefig(
        output, format="png", dpi=120
    )
    print(f"Figure: {output}")


def _patches(images: int, seed: int) -> tuple[Array, Array, Array, Array, Array]:
    """Cut the two photographs into patches, in the form of load_data."""
    optional("PIL")
    photographs = optional("sklearn.datasets").load_sample_images().images
    random = np.random.RandomState(seed)
    test_images = max(2, round(images * TEST_IMAGES / TRAIN_IMAGES))
    period = _TEST_COLUMNS + _TRAIN_COLUMNS
    arrays: list[Array] = []
    for offset, columns, count, name in (
        (_TEST_COLUMNS, _TRAIN_COLUMNS, images, "training"),
        (0, _TEST_COLUMNS, test_images, "test"),
    ):
        y = np.arange(count) % 2
        x = np.empty((count, _SIDE, _SIDE, 3), np.uint8)
        for label, photograph in enumerate(photographs):
            rows, width, _ = photograph.shape
            places = [
                (row, column)
                for row in range(0, rows - _SIDE + 1, _STEP)
                for first in range(offset, width, period)
                for column in range(first, min(first + columns, width) - _SIDE + 1, _STEP)
            ]
            wanted = np.flatnonzero(y == label)
            if wanted.size > len(places):
                raise argparse.ArgumentError(
                    None,
                    f"argument --images: the photographs have room for {2 * len(places)} {name} "
                    f"patches, not for {count}",
                )
            for i, place in zip(
                wanted, random.choice(len(places), wanted.size, replace=False), strict=True
            ):
                row, column = places[place]
                x[i] = photograph[row : row + _SIDE, column : column + _SIDE]
        arrays += [x, y.reshape(1, -1)]
    return arrays[0], arrays[1], arrays[2], arrays[3], np.array([b"temple", b"flower"])


@contextmanager
def _blas_threads() -> Iterator[int]:
    """Hold NumPy's BLAS and SciPy's to the same number of threads."""
    controller = optional("threadpoolctl").ThreadpoolController().select(user_api="blas")
    threads = min((pool["num_threads"] for pool in controller.info()), default=1)
    with controller.limit(limits=threads):
        yield threads


def _time_numpy(X: Array, Y: Array, layers_dims: list[int], iterations: int, seed: int) -> float:
    """Time the same iterations by plain NumPy, in seconds."""
    parameters = initialize_parameters_deep(layers_dims, rng=seed, scale="lecun")
    with np.errstate(all="ignore"):
        train_in_numpy(X, Y, parameters, _LEARNING_RATE, 1)  # wakes the threads
        start = time.perf_counter()
        train_in_numpy(X, Y, parameters, _LEARNING_RATE, iterations)
    return time.perf_counter() - start


def _figure(
    classes: Array, X: Array, y: Array, p: Array, costs: list[Array], accuracy: float
) -> Any:
    """Draw the cost curve and the mislabeled images side by side."""
    figure = optional("matplotlib.figure").Figure(figsize=(12, 5.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_costs(costs, _LEARNING_RATE, ax=left)
    left.grid(alpha=0.3)
    print_mislabeled_images(classes, X, y, p, ax=right)
    right.set_title(f"Mislabeled images of the test set (accuracy {accuracy:.2f})")
    return figure


def train_in_numpy(
    X: Array, Y: Array, parameters: dict[str, Array], learning_rate: float, num_iterations: int
) -> tuple[dict[str, Array], Any]:
    """Train as the course's L_layer_model does, every formula as the course writes it.

    Returns
    -------
    parameters : dict of ndarray
        ``W1, b1, ..., WL, bL``.
    cost : numpy scalar
        Of the last iteration, before its update.
    """
    L = len(parameters) // 2
    m = Y.shape[1]
    cost = np.float64(np.nan)
    for _ in range(num_iterations):
        A = X
        caches = []
        for l in range(1, L + 1):
            A_prev, W = A, parameters[f"W{l}"]
            Z = np.dot(W, A_prev) + parameters[f"b{l}"]
            A = np.maximum(0, Z) if l < L else 1 / (1 + np.exp(-Z))
            caches.append((A_prev, W, Z))

        cost = -1 / m * np.sum(np.multiply(Y, np.log(A)) + np.multiply(1 - Y, np.log(1 - A)))

        grads = {}
        dA = -(np.divide(Y, A) - np.divide(1 - Y, 1 - A))
        for l in reversed(range(1, L + 1)):
            A_prev, W, Z = caches[l - 1]
            if l < L:
                dZ = np.array(dA, copy=True)
                dZ[Z <= 0] = 0
            else:
                s = 1 / (1 + np.exp(-Z))
                dZ = dA * s * (1 - s)
            grads[f"W{l}"] = 1 / m * np.dot(dZ, A_prev.T)
            grads[f"b{l}"] = 1 / m * np.sum(dZ, axis=1, keepdims=True)
            dA = np.dot(W.T, dZ)

        parameters = {key: parameters[key] - learning_rate * grads[key] for key in parameters}
    return parameters, cost
