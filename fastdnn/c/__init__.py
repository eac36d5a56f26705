"""C: a network, an estimator or a pipeline as one header, for programs without Python."""

import os
from typing import Any

from numpy.typing import DTypeLike

from fastdnn._fit import disk
from fastdnn.c.columns import is_table, table_of
from fastdnn.c.header import header
from fastdnn.c.tables import table_header
from fastdnn.c.taken import taken

__all__ = ["to_c"]


def to_c(
    model: Any,
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    name: str = "model",
    dtype: DTypeLike | None = None,
    scaler: Any = None,
) -> None:
    """Write a model as one C99 header, which needs no library.

    Its functions, ``T`` being ``float`` or ``double``:

    - ``void name_predict(const T *x, T *y)``: what `Network.predict` and a regressor's `predict`
      give for a row, and for a classifier the probability of each class;
    - ``void name_predict_n(const T *x, T *y, size_t rows)``: the same for several rows;
    - ``int name_label(const T *x)``: the index of the class, in ``name_classes`` where the model
      knows its labels; not where several labels may be true at once;
    - ``void name_gradient(const T *x, T *g)``: the derivatives of y by x, (n_L, n_0), a row for
      each number of y;
    - ``int name_selftest(void)``: 0 if eight answers are those of Python, or the number of the
      first that is not.

    Of an estimator of tables ``x`` has the columns that are numbers, NaN where one is missing, and
    after it comes ``const int *c``, with the index of the category in each of the other columns, -1
    where it is missing; a number that is infinite is clipped as a large one. The file's comment
    tells the categories. There is no ``name_gradient``.

    Parameters
    ----------
    model : Network, estimator of fastdnn or Pipeline
        Trained; a pipeline of scikit-learn that ends with an MLPClassifier or MLPRegressor after
        scalers: StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler.
    path : path
        The file; the old one stays whole if it cannot be written.
    name : str
        What all names in the file begin with.
    dtype : {float32, float64}, optional
        Element type of the C code, by default the model's.
    scaler : scaler or Pipeline of scalers, optional
        Fitted, and applied before the model; of the kinds above.

    Raises
    ------
    TypeError
        If the model, a step or the labels are of a kind that C code cannot be written for.
    ValueError
        If the name is no identifier of C or reserved, a step is not fitted or not affine, the
        model is not fitted, or a number is not finite or overflows in `dtype`.
    RuntimeError
        If the model is in the middle of an epoch of training.
    OSError
        If the file cannot be written.

    See Also
    --------
    to_onnx : For onnxruntime and others.
    save : A file that fastdnn reads again.

    Examples
    --------
    >>> import tempfile
    >>> net = fastdnn.Network([4, 8, 1], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fastdnn.to_c(net, f"{folder}/small.h", name="small")
    ...     with open(f"{folder}/small.h") as file:
    ...         "void small_predict(const double *x, double *y)" in file.read()
    True
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"path must name a file, got {type(path).__name__}")
    if is_table(model):
        text = table_header(table_of(model, name, dtype, scaler))
    else:
        text = header(taken(model, name, dtype, scaler))
    disk.write(path, [text.encode("ascii")])
