"""The command `fastdnn`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from fastdnn._arrays import Array

_SIDE = 64
_STEP = 8  # pixels between the places where a patch may begin
_TEST_COLUMNS, _TRAIN_COLUMNS = 80, 160  # of a photograph, in turn
_TRAIN_IMAGES, _TEST_IMAGES = 209, 50  # as many as the course has
_HIDDEN = (20, 7, 5)
_LEARNING_RATE = 0.0075
_MEASURED = 100  # iterations of plain NumPy

_DEMO = f"""\
Train the course's network, [12288, 20, 7, 5, 1], to tell a temple from a flower: real photographs,
the two that scikit-learn ships, cut into patches of 64 x 64 pixels. No column of a photograph gives
pixels to both the training and the test patches. The course's own photographs can be used instead.

Printed are the cost as it falls, the accuracy on both sets, and how long plain NumPy takes for the
same iterations, measured on the first {_MEASURED}. The figure shows the cost and the images of the
test set that were given the wrong class.

The demo needs: pip install "fastdnn[demo]"
"""

_EXAMPLES = """\
examples:
  fastdnn demo                               within a minute on two cores
  fastdnn demo --images 1000 --seed 7        more patches, other places, other weights
  fastdnn demo --data datasets               train_catvnoncat.h5 and test_catvnoncat.h5 from there

exit status:
  0 done, 1 data missing, unreadable or not writable, 2 wrong usage, 130 interrupted
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"fastdnn: error: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, by default those of the process.

    Returns
    -------
    status : int
        0 if all went well.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # nobody reads any more, and the interpreter must not find that out again as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except argparse.ArgumentError as error:
        return _complain(str(error), 2)
    except MemoryError:
        return _complain("not enough memory", 1)
    except (ImportError, OSError, ValueError) as error:
        return _complain(str(error), 1)
    return 0


def _complain(message: str, status: int) -> int:
    print("fastdnn: error:", " ".join(message.split()), file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastdnn",
        description="The L-layer neural network of the Deep Learning Specialization, compiled.",
    )
    commands = parser.add_subparsers(metavar="command", dest="command", required=True)

    demo = commands.add_parser(
        "demo",
        help="train the course's network on real photographs and measure it",
        description=_DEMO,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.set_defaults(run=_demo)
    source = demo.add_mutually_exclusive_group()
    source.add_argument(
        "--images",
        metavar="N",
        type=_at_least(2),
        default=_TRAIN_IMAGES,
        help=f"patches to train on (default {_TRAIN_IMAGES}); the test patches, {_TEST_IMAGES} by "
        "default, are in proportion",
    )
    source.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="take train_catvnoncat.h5 and test_catvnoncat.h5 from DIR, not the patches",
    )
    demo.add_argument(
        "--iterations",
        metavar="N",
        type=_at_least(1),
        default=2500,
        help="steps of gradient descent (default 2500)",
    )
    demo.add_argument(
        "--seed",
        metavar="N",
        type=_at_least(0, 2**32 - 1),
        default=1,
        help="for the first weights and the places of the patches (default 1, as in the course)",
    )
    demo.add_argument(
        "--output",
        metavar="PATH",
        type=Path,
        default=Path("fastdnn-demo.png"),
        help="where to write the figure, a PNG (default fastdnn-demo.png)",
    )

    info = commands.add_parser(
        "info",
        help="print the instruction set, the BLAS, its threads and the versions",
        description="Print the instruction set, the BLAS, its threads and the versions in use.",
    )
    info.set_defaults(run=_info)
    return parser


def _at_least(least: int, most: int | None = None) -> Any:
    def integer(text: str) -> int:
        value = int(text)
        if value < least or (most is not None and value > most):
            bounds = f"at least {least}" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"must be {bounds}, got {value}")
        return value

    return integer


def _info(arguments: argparse.Namespace) -> None:
    import fastdnn

    fastdnn.show_config()


def _demo(arguments: argparse.Namespace) -> None:
    import numpy as np

    from fastdnn.application import L_layer_model, load_data, optional, predict

    # what can go wrong shall do so before the training, not after
    optional("matplotlib.figure")
    output = arguments.output.absolute()
    folder = output.parent
    if (
        output.is_dir()
        or not folder.is_dir()
        or not os.access(output if output.exists() else folder, os.W_OK)
    ):
        raise OSError(f"cannot write to {output}")

    if arguments.data is None:
        data = _patches(arguments.images, arguments.seed)
        print("Patches of scikit-learn's photographs china.jpg (temple) and flower.jpg (flower).")
    else:
        data = load_data(arguments.data)
        print(f"Photographs from {arguments.data}.")
    train_x_orig, train_y, test_x_orig, test_y, classes = data
    train_x = train_x_orig.reshape(len(train_x_orig), -1).T / 255.0
    test_x = test_x_orig.reshape(len(test_x_orig), -1).T / 255.0
    layers_dims = [len(train_x), *_HIDDEN, 1]
    print(f"{train_x.shape[1]} images to train on, {test_x.shape[1]} to test on.")
    with _blas_threads() as threads:
        print(
            f"Network {layers_dims}, learning rate {_LEARNING_RATE}, "
            f"{arguments.iterations} iterations, {threads} BLAS thread{'s' * (threads != 1)}.\n"
        )
        start = time.perf_counter()
        parameters, costs = L_layer_model(
            train_x,
            train_y,
            layers_dims,
            _LEARNING_RATE,
            arguments.iterations,
            print_cost=True,
            rng=arguments.seed,
        )
        seconds = time.perf_counter() - start
        print("\nTraining images:", end=" ")
        predict(train_x, train_y, parameters)
        print("Test images:    ", end=" ")
        p = predict(test_x, test_y, parameters)
        print(f"\nfastdnn     {seconds:7.2f} s for {arguments.iterations} iterations")
        measured = min(_MEASURED, arguments.iterations)
        ours, theirs = _compare(train_x, train_y, layers_dims, measured, arguments.seed)
    extrapolated = f", extrapolated from its first {measured}" * (measured < arguments.iterations)
    print(
        f"plain NumPy {theirs * arguments.iterations / measured:7.2f} s{extrapolated}\n"
        f"ratio       {theirs / ours:7.2f}, of the first {measured} iterations of both: "
        f"{theirs:.2f} s to {ours:.2f} s\n"
    )
    _figure(classes, test_x, test_y, p, costs, np.mean(p == test_y)).savefig(
        output, format="png", dpi=120
    )
    print(f"Figure: {output}")


def _patches(images: int, seed: int) -> "tuple[Array, Array, Array, Array, Array]":
    """Cut the two photographs into patches, in the form of load_data."""
    import numpy as np

    from fastdnn.application import optional

    optional("PIL")
    photographs = optional("sklearn.datasets").load_sample_images().images
    random = np.random.RandomState(seed)
    test_images = max(2, round(images * _TEST_IMAGES / _TRAIN_IMAGES))
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


def _blas_threads() -> Any:
    """Hold NumPy's BLAS and SciPy's to the same number of threads."""
    from contextlib import contextmanager

    from fastdnn.application import optional

    @contextmanager
    def limit() -> Any:
        controller = optional("threadpoolctl").ThreadpoolController().select(user_api="blas")
        threads = min((pool["num_threads"] for pool in controller.info()), default=1)
        with controller.limit(limits=threads):
            yield threads

    return limit()


def _compare(
    X: "Array", Y: "Array", layers_dims: list[int], iterations: int, seed: int
) -> tuple[float, float]:
    """Time the same iterations by fastdnn and by plain NumPy, in seconds."""
    import numpy as np

    from fastdnn._course import train
    from fastdnn.application import L_layer_model
    from fastdnn.functional import initialize_parameters_deep

    def fastdnn(iterations: int) -> None:
        L_layer_model(X, Y, layers_dims, _LEARNING_RATE, iterations, rng=seed)

    def numpy(iterations: int) -> None:
        parameters = initialize_parameters_deep(layers_dims, rng=seed, scale="lecun")
        with np.errstate(all="ignore"):
            train(X, Y, parameters, _LEARNING_RATE, iterations)

    seconds = []
    for run in (fastdnn, numpy):
        run(1)  # wakes the threads
        start = time.perf_counter()
        run(iterations)
        seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1]


def _figure(
    classes: "Array", X: "Array", y: "Array", p: "Array", costs: "list[Array]", accuracy: float
) -> Any:
    """Draw the cost curve and the mislabeled images side by side."""
    from fastdnn.application import optional, plot_costs, print_mislabeled_images

    figure = optional("matplotlib.figure").Figure(figsize=(12, 5.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_costs(costs, _LEARNING_RATE, ax=left)
    left.grid(alpha=0.3)
    print_mislabeled_images(classes, X, y, p, ax=right)
    right.set_title(f"Mislabeled images of the test set (accuracy {accuracy:.2f})")
    return figure


if __name__ == "__main__":
    sys.exit(main())
