# The loops for the compiler's default instruction set.
include "level.pxi"
