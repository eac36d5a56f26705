# The loops for the compiler's default instruction set.
include "_loops.pxi"
