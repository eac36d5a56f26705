"""Dense neural networks on a CPU, compiled: the course's functions, and a network to train."""

import os
import signal
import sys


def _runs_the_command() -> bool:
    """Say whether this process is the command, whose module is imported after this one."""
    script: str = (getattr(sys, "argv", None) or [""])[0]
    if script != "-m":
        return script.replace("\\", "/").rpartition("/")[2].partition(".")[0] == "fastdnn"
    # the first option -m is Python's, and what comes later its program's
    for argument, following in zip(sys.orig_argv[1:], [*sys.orig_argv[2:], ""], strict=True):
        flags, m, module = argument.partition("m")
        if m and flags[:1] == "-" and not flags[1:].strip("bBdEiIOPqRsSuvx"):
            return (module or following) == "fastdnn"
    return False


def _end(*_: object) -> None:
    """End at Ctrl-C, whatever is done: an import or a destructor may hide an error."""
    try:
        sys.stdout.flush()
    finally:
        os.write(2, b"fastdnn: error: interrupted\n")
        os._exit(130)


# before all that takes time; while Python itself starts, for some 20 ms, Ctrl-C is its own affair
if (_is_command := _runs_the_command()) and (
    signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, _end)

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

try:
    if find_spec("fastdnn._core.course") is None:
        raise ImportError(
            "this is the source folder of fastdnn, which is not compiled: run from another folder, "
            "where the installed package is found, or build it in place: pip install -e ."
        )
    from fastdnn._config import __version__, config, show_config
except ImportError as _error:
    # too late for the command to make one line of the error
    if _is_command:
        raise SystemExit(f"fastdnn: error: {_error}") from None
    raise
from fastdnn import callbacks as callbacks
from fastdnn import optimizers as optimizers
from fastdnn import plots as plots
from fastdnn._fit.results import History, State
from fastdnn.application import (
    L_layer_model,
    predict,
    two_layer_model,
)
from fastdnn.course2 import (
    convert_to_one_hot,
    gradient_check,
    initialize_adam,
    initialize_parameters_he,
    initialize_velocity,
    random_mini_batches,
    schedule_lr_decay,
    update_lr,
    update_parameters_with_adam,
    update_parameters_with_momentum,
)
from fastdnn.files import ModelFileError, load, save
from fastdnn.functional import (
    L_model_backward,
    L_model_forward,
    compute_cost,
    linear_activation_backward,
    linear_activation_forward,
    linear_backward,
    linear_forward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
)
from fastdnn.images import load_data, plot_costs, print_mislabeled_images
from fastdnn.many import fit_many
from fastdnn.network import Network
from fastdnn.optimizers import *  # noqa: F403
from fastdnn.parameters import (
    initialize_parameters,
    initialize_parameters_deep,
    update_parameters,
)

if TYPE_CHECKING:
    from fastdnn.c import to_c as to_c
    from fastdnn.estimators import MLPClassifier as MLPClassifier
    from fastdnn.estimators import MLPRegressor as MLPRegressor
    from fastdnn.onnx import to_onnx as to_onnx

__all__ = [
    "History",
    "L_layer_model",
    "L_model_backward",
    "L_model_forward",
    "ModelFileError",
    "Network",
    "State",
    "__version__",
    "compute_cost",
    "config",
    "convert_to_one_hot",
    "fit_many",
    "gradient_check",
    "initialize_adam",
    "initialize_parameters",
    "initialize_parameters_deep",
    "initialize_parameters_he",
    "initialize_velocity",
    "linear_activation_backward",
    "linear_activation_forward",
    "linear_backward",
    "linear_forward",
    "load",
    "load_data",
    "plot_costs",
    "predict",
    "print_mislabeled_images",
    "random_mini_batches",
    "relu",
    "relu_backward",
    "save",
    "schedule_lr_decay",
    "show_config",
    "sigmoid",
    "sigmoid_backward",
    "two_layer_model",
    "update_lr",
    "update_parameters",
    "update_parameters_with_adam",
    "update_parameters_with_momentum",
]
__all__ += optimizers.__all__


# what is imported when it is asked for: scikit-learn, for the estimators, takes a second
_LATER = {
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "to_c": "c",
    "to_onnx": "onnx",
}


def __dir__() -> list[str]:
    # tools that ask for all that is listed find nothing that cannot be imported
    found = (n for n, of in _LATER.items() if of != "estimators" or find_spec("sklearn"))
    return sorted({*globals(), *found})


if not TYPE_CHECKING:  # or a checker would take every name for right

    def __getattr__(name: str) -> Any:
        if name in _LATER:
            return getattr(import_module(f"fastdnn.{_LATER[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _compiled() -> None:
    """Name the modules that compiled modules import, where tools that read imports cannot look.

    Never called: a processor may lack the instructions of some. It is for the tools that make an
    executable of a program.
    """
    from fastdnn._core import level_base, level_v3, level_v4, pool  # noqa: F401
