"""The command `fastdnn`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import fastdnn
from fastdnn._config import install
from fastdnn._demo import FORMATS, TEST_IMAGES, TRAIN_IMAGES, demo
from fastdnn.files import summary

_DEMO = f"""\
Train the course's network, [12288, 20, 7, 5, 1], to tell a temple from a flower: real photographs,
the two that scikit-learn ships, cut into patches of 64 x 64 pixels. No column of a photograph gives
pixels to both the training and the test patches. The course's own photographs can be used instead.

Printed are the cost as it falls, the accuracy on both sets, and how long plain NumPy takes for the
same iterations: some of them are measured between trainings. The first column has one thread each,
whose ratio is nearly the same on a busy machine; the second one lets either side have as many as
the process may use, and takes the better of both. Each number is a median over the trainings. On a
busy machine a range stands beside. The figure shows the cost and the images of the test set that
were given the wrong class.

The demo needs some packages:
  {install("sklearn", "PIL", "matplotlib", "threadpoolctl")}
"""

_EXAMPLES = """\
examples:
  fastdnn demo                               within a minute on two cores
  fastdnn demo --images 1000 --seed 7        more patches, closer to each other, other weights
  fastdnn demo --data datasets               train_catvnoncat.h5 and test_catvnoncat.h5 from there

exit status:
  0 done, 1 data missing, unreadable or not writable, 2 wrong usage, 130 interrupted,
  141 nobody reads the output any more
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"fastdnn: error: {message}; see {self.prog} --help\n")


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
    parser = _parser()
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        arguments.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        if arguments.command is None:
            parser.print_help()
            return 0
        arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # nobody reads the output any more: the interpreter must not fail on it again as it ends
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
    parser.add_argument("--version", action="version", version=f"%(prog)s {fastdnn.__version__}")
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(metavar="command", dest="command")

    training = commands.add_parser(
        "demo",
        help="train the course's network on real photographs and measure it",
        description=_DEMO,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    training.set_defaults(run=_demo, parser=training)
    source = training.add_mutually_exclusive_group()
    source.add_argument(
        "--images",
        metavar="N",
        type=_at_least(2),
        default=TRAIN_IMAGES,
        help=f"patches to train on (default {TRAIN_IMAGES}); the test patches, {TEST_IMAGES} by "
        "default, are in proportion",
    )
    source.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="take train_catvnoncat.h5 and test_catvnoncat.h5 from DIR, not the patches",
    )
    training.add_argument(
        "--iterations",
        metavar="N",
        type=_at_least(1),
        default=2500,
        help="steps of gradient descent (default 2500)",
    )
    training.add_argument(
        "--seed",
        metavar="N",
        type=_at_least(0, 2**32 - 1),
        default=1,
        help="for the first weights and the places of the patches (default 1, as in the course)",
    )
    training.add_argument(
        "--output",
        metavar="PATH",
        type=_picture,
        default=Path("fastdnn-demo.png"),
        help="where to write the figure, which its suffix makes a PNG, PDF or SVG (default "
        "fastdnn-demo.png)",
    )

    info = commands.add_parser(
        "info",
        help="print the instruction set, the BLAS and the versions, or what a model file holds",
        description="Print the instruction set, the BLAS, its threads and the versions in use, or "
        "what a model file holds.",
    )
    info.add_argument("file", metavar="FILE", nargs="?", type=Path, help="a model file")
    info.set_defaults(run=_info, parser=info)
    return parser


def _at_least(least: int, most: int | None = None) -> Any:
    def integer(text: str) -> int:
        value = int(text)
        if value < least or (most is not None and value > most):
            bounds = f"at least {least}" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"must be {bounds}, got {value}")
        return value

    return integer


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"must end in {', '.join(FORMATS)}, got {text!r}")
    return path


def _info(arguments: argparse.Namespace) -> None:
    if arguments.file is None:
        fastdnn.show_config()
    else:
        print(summary(arguments.file))


def _demo(arguments: argparse.Namespace) -> None:
    demo(arguments.images, arguments.data, arguments.iterations, arguments.seed, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
