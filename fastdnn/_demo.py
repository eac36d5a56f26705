"""The demonstration of the command: the course's network on real photographs."""

import argparse
import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import Array
from fastdnn._config import look_for, optional
from fastdnn._fit import disk
from fastdnn._fit.threads import processors
from fastdnn.application import L_layer_model, predict
from fastdnn.images import load_data, plot_costs, print_mislabeled_images
from fastdnn.parameters import initialize_parameters_deep

TRAIN_IMAGES, TEST_IMAGES = 209, 50  # as many as the course has
# what a figure may be, by its suffix: how such a file begins
FORMATS = {".png": (b"\x89PNG\r\n\x1a\n",), ".pdf": (b"%PDF-",), ".svg": (b"<?xml", b"<svg")}

_SIDE = 64
_STEPS = range(_SIDE, 7, -1)  # pixels between the places of patches, the most that have room
_TEST_COLUMNS, _TRAIN_COLUMNS = 80, 160  # of a photograph, in turn
_HIDDEN = (20, 7, 5)
_LEARNING_RATE = 0.0075

_ROUNDS = 9  # trainings on each number of threads, with plain NumPy before each
_SECONDS = 6.0  # after which no other round begins
_BLOCK = 0.5  # seconds of plain NumPy's iterations at a time, at most
_QUIET = 0.9  # of its processors, what a process has of them on a quiet machine, at least
_BYTES = bytes(1 << 22)


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
        Where to write the figure, in the format that its suffix names.
    """
    # missing packages and data shall be noticed before the training, not after it
    source = ("PIL", "sklearn.datasets") if data is None else ("h5py",)
    look_for("matplotlib.figure", "threadpoolctl", *source)
    output = output.absolute()
    _look(output)
    if data is None:
        photographs = _patches(images, seed)
        what = "patches of scikit-learn's photographs china.jpg (temple) and flower.jpg (flower)"
    else:
        photographs = load_data(data)
        what = f"photographs from {data}"
    train_x_orig, train_y, test_x_orig, test_y, classes = photographs
    train_x = train_x_orig.reshape(len(train_x_orig), -1).T / 255.0
    test_x = test_x_orig.reshape(len(test_x_orig), -1).T / 255.0
    layers_dims = [len(train_x), *_HIDDEN, 1]
    print(f"{what[0].upper()}{what[1:]}.")
    print(f"{train_x.shape[1]} images to train on, {test_x.shape[1]} to test on.")

    def train(print_cost: bool) -> tuple[dict[str, Array], list[Array]]:
        return L_layer_model(
            train_x, train_y, layers_dims, _LEARNING_RATE, iterations, print_cost, rng=seed
        )

    first = initialize_parameters_deep(layers_dims, rng=seed, scale="lecun")
    with _blas_threads() as (limit, threads), np.errstate(all="ignore"):
        print(
            f"Network {layers_dims}, learning rate {_LEARNING_RATE}, {iterations} iterations, "
            f"up to {_count(threads, 'thread')}.\n"
        )
        (parameters, costs), rounds = _measure(
            train,
            lambda parameters: train_in_numpy(train_x, train_y, parameters, _LEARNING_RATE, 1)[0],
            first,
            limit,
            threads,
        )
    print("\nTraining images:", end=" ")
    predict(train_x, train_y, parameters)
    print("Test images:    ", end=" ")
    p = predict(test_x, test_y, parameters)
    print("", *compared(rounds, iterations), "", sep="\n")

    figure = _figure(classes, test_x, test_y, p, costs, np.mean(p == test_y))
    # a folder's name may hold what Matplotlib takes for mathematics
    figure.suptitle(
        f"Network {layers_dims}, {iterations} iterations on\n{train_x.shape[1]} {what}",
        fontsize="medium",
        parse_math=False,
    )
    picture = io.BytesIO()
    figure.savefig(picture, format=output.suffix[1:].lower(), dpi=120)
    disk.write(output, [picture.getvalue()])
    print(f"Figure: {output}")


def _look(output: Path) -> None:
    """Look whether a picture can be written, and takes the place of nothing else than one."""
    if output.exists():
        if not output.is_file() or not os.access(output, os.W_OK):
            raise OSError(f"cannot write to {output}")
        with output.open("rb") as file:
            start = file.read(16)
        kind = output.suffix.lower()
        if start and not start.startswith(FORMATS[kind]):
            raise OSError(f"{output} is no {kind[1:].upper()}: it is not overwritten")
    elif not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise OSError(f"cannot write to {output}")


def _patches(images: int, seed: int) -> tuple[Array, Array, Array, Array, Array]:
    """Cut the two photographs into patches, in the form of load_data."""
    photographs = optional("sklearn.datasets").load_sample_images().images
    random = np.random.RandomState(seed)
    test_images = max(2, round(images * TEST_IMAGES / TRAIN_IMAGES))
    arrays: list[Array] = []
    for offset, columns, count, name in (
        (_TEST_COLUMNS, _TRAIN_COLUMNS, images, "training"),
        (0, _TEST_COLUMNS, test_images, "test"),
    ):
        y = np.arange(count) % 2
        x = np.empty((count, _SIDE, _SIDE, 3), np.uint8)
        for label, photograph in enumerate(photographs):
            wanted = np.flatnonzero(y == label)
            for step in _STEPS:
                places = _places(photograph, offset, columns, step)
                if wanted.size <= len(places):
                    break
            else:
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


def _places(photograph: Array, offset: int, columns: int, step: int) -> list[tuple[int, int]]:
    """List where patches may begin, so many pixels from each other, in some of the columns."""
    rows, width, _ = photograph.shape
    return [
        (row, column)
        for row in range(0, rows - _SIDE + 1, step)
        for first in range(offset, width, _TEST_COLUMNS + _TRAIN_COLUMNS)
        for column in range(first, min(first + columns, width) - _SIDE + 1, step)
    ]


# ------------------------------------------------------------------------------------- measurement


class Rounds(NamedTuple):
    """What was measured in turn: plain NumPy, a training, plain NumPy, and so on.

    Parameters
    ----------
    ours : mapping of int to list of float
        Seconds of each training, for each number of threads.
    theirs : mapping of int to list of float
        Seconds of an iteration of plain NumPy before each of them, on as many threads.
    iterations : int
        How many of plain NumPy's these are means of.
    had : list of float
        How much of the processors that it may use the process had at these times.
    """

    ours: Mapping[int, list[float]]
    theirs: Mapping[int, list[float]]
    iterations: int
    had: list[float]


def compared(rounds: Rounds, iterations: int) -> Iterator[str]:
    """Tell both times and their ratio, as medians, each ratio of times under the same load.

    On one thread each the ratio is nearly the same on a busy machine, too. How much more threads
    bring depends upon how many processors are free, and is more for plain NumPy.
    """
    busy = bool(np.mean(rounds.had) < _QUIET)
    most = max(rounds.ours)
    columns = [_column(rounds, iterations, [1], busy)]
    if most > 1:
        columns.append(_column(rounds, iterations, [1, most], busy))
    widths = [max(map(len, column)) for column in columns]
    trainings = len(rounds.ours[1])
    yield (
        f"{_count(iterations, 'iteration')}, "
        + f"medians of {trainings} trainings each, " * (trainings > 1)
        + f"plain NumPy's of {rounds.iterations} of its iterations:"
    )
    for name, *cells in zip(("", "fastdnn", "plain NumPy", "ratio"), *columns, strict=True):
        yield f"{name:11}" + "".join(
            f"   {cell:>{width}}" for cell, width in zip(cells, widths, strict=True)
        )
    if busy:
        available = f"{most} processors" if most > 1 else "processor"
        yield (
            f"This machine is busy: of the {available} that this process may use it had "
            f"{100 * np.mean(rounds.had):.0f} %."
        )
        yield "Half of the trainings had a ratio within the range beside it."


def _column(rounds: Rounds, iterations: int, counts: list[int], busy: bool) -> list[str]:
    """Write both times and their ratio, where each side takes the better number of threads."""
    ours, theirs = (
        min(counts, key=lambda count: np.median(side[count]))
        for side in (rounds.ours, rounds.theirs)
    )
    seconds = np.array(rounds.ours[ours])
    numpy_seconds = np.array(rounds.theirs[theirs]) * iterations
    low, middle, high = np.percentile(numpy_seconds / seconds, [25, 50, 75])
    ratio = f"{middle:.0f}" + busy * f", {low:.0f} to {high:.0f}"
    if len(counts) == 1:
        return [
            "one thread each",
            f"{np.median(seconds):.2f} s",
            f"{np.median(numpy_seconds):.2f} s",
            ratio,
        ]
    return [
        f"the better of {' and '.join(map(str, counts))} threads",
        f"{np.median(seconds):.2f} s on {ours}",
        f"{np.median(numpy_seconds):.2f} s on {theirs}",
        ratio,
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _measure(
    train: Callable[[bool], Any],
    iterate: Callable[[dict[str, Array]], dict[str, Array]],
    parameters: dict[str, Array],
    limit: Callable[[int], AbstractContextManager[Any]],
    threads: int,
) -> tuple[Any, Rounds]:
    """Train, more than once where that is short, with plain NumPy's iterations in between."""
    # one thread comes last, before what is watched: others that have nothing to do spin a while
    counts = sorted({1, threads}, reverse=True)
    ours: dict[int, list[float]] = {count: [] for count in counts}
    theirs: dict[int, list[float]] = {count: [] for count in counts}
    iterations = 0
    had: list[float] = []
    trained = None
    seconds = 0.0
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        while trained is None or (len(had) < _ROUNDS and time.perf_counter() - begun < _SECONDS):
            for count in counts:
                with limit(count):
                    if trained is None:
                        iterate(parameters)  # wakes the threads
                    start = now = time.perf_counter()
                    n = 0
                    while not n or now - start < seconds:
                        parameters = iterate(parameters)
                        now = time.perf_counter()
                        n += 1
                    theirs[count].append((now - start) / n)
                    iterations += n
                    start = time.perf_counter()
                    result = train(trained is None)
                    ours[count].append(time.perf_counter() - start)
                # as long as a training, so that the same load falls upon both
                seconds = min(ours[count][-1], _BLOCK)
                trained = result if trained is None else trained
            had.append(fmean(pool.map(_share, [seconds / 5] * threads)))
    return trained, Rounds(ours, theirs, iterations, had)


def _share(seconds: float) -> float:
    """Say how much of a processor a thread has that always has something to do."""
    start, used = time.perf_counter(), time.thread_time()
    while True:
        hashlib.sha256(_BYTES)  # lets other threads run
        passed = time.perf_counter() - start
        if passed > seconds:
            return (time.thread_time() - used) / passed


@contextmanager
def _blas_threads() -> Iterator[tuple[Callable[[int], AbstractContextManager[Any]], int]]:
    """Hold NumPy's BLAS and SciPy's to as many threads as this process has processors.

    Yields what limits them further, and the number.
    """
    controller = optional("threadpoolctl").ThreadpoolController().select(user_api="blas")
    threads = min((pool["num_threads"] for pool in controller.info()), default=1)
    threads = min(threads, processors())
    with controller.limit(limits=threads):
        yield lambda count: controller.limit(limits=count), threads


# ------------------------------------------------------------------------------ figure, plain NumPy


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
