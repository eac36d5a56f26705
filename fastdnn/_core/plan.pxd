# The doors to a network, and how all doors look at arrays.

from fastdnn._core.source cimport Source
from fastdnn._core.spec cimport Layer, Net, Targets
from fastdnn._core.turns cimport Turns

cdef enum:
    KINDS = 24  # of calls, by the binary logarithm of the rows that are predicted


cdef class Plan:
    cdef:
        Net net
        Layer *layers
        object params
        object dtype
        Py_ssize_t alone      # examples that one thread predicts at once
        tuple single          # what numpy.empty is asked for one example
        Turns turns[2 * KINDS]  # of calls by several threads; of sparse rows behind

    cdef int check(self, X, Source *x) except -1
    cdef tuple targets(self, Py_ssize_t m, T, labels, weights)
    cdef bint is_sparse(self, const Source *X, Py_ssize_t batch) noexcept
    cdef double _run(
        self, const Source *X, void *AL, Py_ssize_t first, Py_ssize_t stop, const Targets *Y,
    ) except? -1

cdef bint read(object array, Source *X) except -1
cdef bint read_any(object X, Source *x) except -1
cdef void *address(object array) except? NULL
cdef bint is_like(object array, object params, object shape) except -1
