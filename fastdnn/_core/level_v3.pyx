# The loops for AVX2, of the level x86-64-v3.
include "level.pxi"
