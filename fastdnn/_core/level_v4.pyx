# The loops for AVX-512, of the level x86-64-v4.
include "level.pxi"
