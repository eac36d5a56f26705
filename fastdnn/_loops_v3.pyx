# The loops for x86-64-v3: AVX2.
include "_loops.pxi"
