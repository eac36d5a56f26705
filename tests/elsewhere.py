"""Data that lies elsewhere than in memory, as users have it."""

import numpy as np
import pytest

KINDS = ["array", "memmap", "own", "h5py", "zarr", "dask"]


class Elsewhere:
    """An array of which only the shape, the element type and slices of rows are seen."""

    def __init__(self, array, shape=None, lies=lambda part: part):
        self._array, self._lies = array, lies
        self.shape, self.dtype = shape or array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        assert rows.step is None
        return self._lies(self._array[rows].copy())


def placed(kind, folder, **arrays):
    """Place arrays elsewhere."""
    places = []
    for name, array in arrays.items():
        path = folder / f"{name}.{kind}"
        if kind == "array":
            place = array
        elif kind == "own":
            place = Elsewhere(array)
        elif kind == "memmap":
            place = np.memmap(path, array.dtype, "w+", shape=array.shape)
            place[:] = array
        elif kind == "h5py":
            place = pytest.importorskip("h5py").File(path, "w").create_dataset(name, data=array)
        elif kind == "zarr":
            zarr = pytest.importorskip("zarr")
            chunks = (100, *array.shape[1:])
            kind_of = {"shape": array.shape, "chunks": chunks, "dtype": array.dtype}
            place = zarr.open(str(path), mode="w", **kind_of)
            place[:] = array
        else:
            place = pytest.importorskip("dask.array").from_array(
                array, chunks=(130, -1)[: array.ndim]
            )
        places.append(place)
    return places
