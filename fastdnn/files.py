"""Model files: a network, an estimator or the course's parameters as a safetensors file, and back.

Nothing in a file is executed or imported: what it may name stands in fixed tables.
"""

import sys
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, BinaryIO

from fastdnn._fit import document
from fastdnn._fit.container import ModelFileError
from fastdnn._fit.fields import Fields
from fastdnn.network import Network

__all__ = ["ModelFileError", "load", "save"]

Target = str | bytes | PathLike[str] | PathLike[bytes] | BinaryIO


def save(
    model: Any, path: Target, *, training_state: bool = False, allow_nonfinite: bool = False
) -> None:
    """Write a model to a file, which any library for safetensors reads too.

    A path is written by way of a new file beside it, which takes its name when all of it is on the
    disk: whatever comes between, the old file or the new one is whole.

    Parameters
    ----------
    model : Network, estimator of fastdnn, TabularPreprocessor or dict
        A network, a fitted estimator or preprocessor, or the course's parameters
        ``W1, b1, ..., WL, bL``.
    path : str, path-like or binary file
        Where to; a file that is open is written to as it is.
    training_state : bool
        Also write moments, counts, optimiser and generator, so that training goes on to the last
        bit. The estimators of tables have none.
    allow_nonfinite : bool
        Whether weights may be NaN or infinite.

    Raises
    ------
    TypeError
        If the model is of another type, or holds what a file cannot: functions, say, or objects of
        the user's own. The message names it.
    ValueError
        If the estimator is not fitted, or has no training state that is asked for; or if a number
        is not finite.
    RuntimeError
        If another thread has a network in the middle of an epoch, or is fitting the estimator.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Reads the file.
    to_onnx, to_c : For other programs.

    Examples
    --------
    >>> import io, fastdnn
    >>> net, file = fastdnn.Network([4, 8, 1], rng=0), io.BytesIO()
    >>> fastdnn.save(net, file)
    >>> _ = file.seek(0)
    >>> fastdnn.load(file)
    Network([4, 8, 1], relu, sigmoid, cross_entropy, float64, 0 epochs)
    """
    if isinstance(model, Network):
        model.save(path, training_state=training_state, allow_nonfinite=allow_nonfinite)
    elif isinstance(model, Mapping):
        arrays = document.arrays_of_parameters(model)
        said = {"kind": document.PARAMETERS}
        document.save(path, arrays, said, allow_nonfinite, document.parameters_of)
    elif _is_estimator(model):
        _save_estimator(model, path, training_state, allow_nonfinite)
    else:
        raise TypeError(
            "model must be a Network, an estimator of fastdnn or a dict of parameters, "
            f"got {type(model).__name__}"
        )


def load(path: Target, *, mmap: bool = False, allow_nonfinite: bool = False) -> Any:
    """Read a model from a file that `save` wrote, or the course's parameters from any safetensors.

    Parameters
    ----------
    path : str, path-like or binary file
        Where from; a file that is open is read from where it is to its end.
    mmap : bool
        Map the weights of a network or estimator into memory: processes that load one file share
        them, until one writes to its own, which never changes the file.
    allow_nonfinite : bool
        Whether weights may be NaN or infinite.

    Returns
    -------
    Network, estimator, TabularPreprocessor or dict
        As it was saved.

    Raises
    ------
    ModelFileError
        If the file is not a whole and consistent model, a ValueError.
    ValueError
        If mmap is asked for parameters or a preprocessor.
    ImportError
        If it holds an estimator, but scikit-learn is missing.
    OSError
        If it cannot be read.

    See Also
    --------
    save : Writes such a file.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> fastdnn.save(fastdnn.initialize_parameters(3, 4, 1), file)
    >>> _ = file.seek(0)
    >>> list(fastdnn.load(file))
    ['W1', 'b1', 'W2', 'b2']
    """
    file = document.opened(path, mmap, allow_nonfinite)
    try:
        if file.kind == document.PARAMETERS:
            if mmap:
                raise ValueError("mmap=True is for networks and estimators, not for parameters")
            return document.parameters_of(file)
        if file.kind == document.NETWORK:
            return Network._of(document.network_of(file, mmap))
        return _estimator_of(file, mmap)
    except ModelFileError as error:
        raise document.named(error, path) from None


def summary(path: Target) -> str:
    """Say in a few lines what a file holds; scikit-learn is not needed for it.

    Parameters
    ----------
    path : str, path-like or binary file
        Where from.

    Returns
    -------
    str

    Raises
    ------
    ModelFileError, OSError
        As `load`.
    """
    file = document.opened(path, allow_nonfinite=True)
    try:
        return "\n".join(_told(file))
    except ModelFileError as error:
        raise document.named(error, path) from None


def _told(file: document.Opened) -> Iterator[str]:
    said, shapes = file.document, {n: entry.shape for n, entry in file.contents.entries.items()}
    stored = "training" in said
    yield f"kind: {file.kind}"
    if file.kind == document.PARAMETERS:
        document.parameters_of(file)
    elif file.kind == document.NETWORK:
        model = document.network_of(file, False)
        yield f"network: {model}"
        if stored:
            yield f"optimizer: {model.training.optimizer}, {model.training.counts.steps} steps"
    else:
        if "network" in said:
            model = document.model_of(file.contents, said.within("network"), False)
            yield f"network: {str(model).rpartition(', ')[0]}"
        if "networks" in said:
            yield f"networks: {said.whole('networks', 1)}"
        yield from _told_of_estimator(said)
    if file.kind not in (document.PARAMETERS, *document.TABLES):
        yield f"training state: {'yes' if stored else 'no'}"
    yield "arrays: " + ", ".join(f"{ascii(name)[1:-1]} {shape}" for name, shape in shapes.items())


def _told_of_estimator(said: Fields) -> Iterator[str]:
    if "preprocessor" in said:
        inner = said.within("preprocessor")
        yield from (f"{name}: {value}" for name, value in inner.entries("fitted"))
    for part in ("parameters", "fitted"):
        yield from (f"{name}: {value}" for name, value in said.entries(part))


def _is_estimator(model: Any) -> bool:
    """Whether it is one of the estimators, which nobody has whose program has not imported them."""
    module = sys.modules.get("fastdnn.estimators")
    known = () if module is None else tuple(getattr(module, name) for name in document.ESTIMATORS)
    return isinstance(model, known)


def _save_estimator(model: Any, path: Target, training_state: bool, allow_nonfinite: bool) -> None:
    from sklearn.utils.validation import check_is_fitted

    from fastdnn._sklearn.stored import said_of_estimator
    from fastdnn._sklearn.stored_tables import said_of_tabular

    cls = type(model)
    if cls.__module__ != "fastdnn.estimators":
        raise TypeError(
            f"a model file cannot hold the class {cls.__name__}: pickle it, or save an estimator "
            "of fastdnn"
        )
    before = dict(vars(model))
    try:
        check_is_fitted(model)
        model._validate_params()
        if cls.__name__ in document.TABLES:
            if training_state:
                raise ValueError(
                    f"training_state must be False: a fit of {cls.__name__} begins anew"
                )
            arrays, said = said_of_tabular(model)
        else:
            seen, names = model._seen(), cls._get_param_names()
            arrays, said = said_of_estimator(model, names, seen, training_state)
    except Exception:
        _refuse_fitting(model, before)
        raise
    _refuse_fitting(model, before)
    document.save(path, arrays, said, allow_nonfinite, lambda file: _estimator_of(file, False))


def _refuse_fitting(model: Any, before: dict[str, Any]) -> None:
    """Refuse an estimator that is fitted, or was since: its attributes do not belong together."""
    # at once: no fit of another thread sets one meanwhile
    now = dict(vars(model))
    if (
        "_owner" in before
        or "_owner" in now
        or any(now.get(name) is not value for name, value in before.items() if name != "_network")
    ):
        raise RuntimeError("this estimator is being fitted: save it when that has ended")


def _estimator_of(file: document.Opened, mmap: bool) -> Any:
    from fastdnn import estimators
    from fastdnn._sklearn.stored import estimator_of
    from fastdnn._sklearn.stored_tables import tabular_of

    cls = getattr(estimators, file.kind)
    return (tabular_of if file.kind in document.TABLES else estimator_of)(
        cls, cls._validate_params, file, mmap
    )
