# The level that was chosen at import.

from fastdnn._core.spec cimport Verbs


cdef const Verbs *verbs
cdef bint demanded  # whether the process demands the same bits everywhere
