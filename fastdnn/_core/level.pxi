# A level: everything that computes, written once for float32 and float64.
#
# Headers say what activations, costs and optimisers make of one element, and choose among them;
# loops wrap them, a step calls the loops, and the verbs below hand it all out. level_base, level_v3
# and level_v4 include this file, and differ only in the instruction set that the compiler may use.
# Branches are written as selects so that every loop becomes SIMD, sums run over sixteen fixed
# accumulators, and products are not contracted into fused multiply-adds: so each level gives the
# same bits.
#
# A matrix (rows, cols) is contiguous. Units lie along its rows (unit_rows: one unit a row, its
# examples contiguous) or along its columns (one example a row, its units contiguous).

from cpython.pycapsule cimport PyCapsule_New
from cython cimport floating
from libc.float cimport DBL_MAX, FLT_MAX
from libc.math cimport NAN, fabs
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset

from fastdnn._core cimport blas
from fastdnn._core.activations cimport (
    IDENTITY, RELU, SIGMOID, SOFTMAX, Activation, activate, activate_and_derive, activate_backward,
    keeps_output, relu_backward_point, relu_point,
)
from fastdnn._core.blas cimport blas_int
from fastdnn._core.board cimport UNITS, Board, clock, finish, offer, read, wake
from fastdnn._core.clock cimport LOOK, now
from fastdnn._core.costs cimport SOFTMAX_CROSS_ENTROPY, Cost, cost_terms
from fastdnn._core.elementary cimport STRIDE, exp_of_any, log_, mixed, sqrt, sqrt_
from fastdnn._core.modes cimport flush_subnormals, restore_modes
from fastdnn._core.optimizers cimport MOMENTUM, SGD, Step, correct, move
from fastdnn._core.slices cimport (
    GROUP, PORTIONS, SLICES, Cut, Rows, added, cut_batch, cut_rows, portions, slice_row, some,
    unit_of,
)
from fastdnn._core.source cimport Nonzeros, Source, gather, gather_nonzeros, transpose
from fastdnn._core.spec cimport (
    BLOCK, CATEGORICAL, CROSS_ENTROPY, CROSS_ENTROPY_BACKWARD, DERIVE, DESCEND, DOT, FEWEST, FIRST,
    GO_ON, LEAVE, OUTPUT_EXP, OUTPUT_SIGMOID, OUTPUT_SOFTMAX, REGIONS, SHARES, SHORT, SKIPPING_NAN,
    SQUARED, SUMS, TILED, WHOLE, BitGenerator, Caches, Descent, Dropout, Factors, Job, Layer,
    Matrix, Net, Pairing, Scale, Slot, Targets, Verbs, block_rows, reads_nonzeros,
)
from fastdnn._core.turns cimport next_turn


cdef extern from *:
    """
    #if defined(_MSC_VER)
    #define FASTDNN_THREAD __declspec(thread)
    #else
    #define FASTDNN_THREAD __thread
    #endif
    #define FASTDNN_SCRATCH 65536
    #include <stdlib.h>
    /* Memory of each thread's own, which begins a cache line: a thread's stack may be no larger.
       The system provides it when it is first touched. A loop that uses it calls no other user. */
    static FASTDNN_THREAD char fastdnn_memory[FASTDNN_SCRATCH + 64];
    static char *fastdnn_scratch(void) {
        return fastdnn_memory + (64 - (size_t) fastdnn_memory % 64);
    }
    #define FASTDNN_LARGE 655360
    /* More memory, for large products: some that an earlier product has given back, first of this
       thread. So much of it stays as there were such products at once. NULL: there is none. */
    #if (defined(__GNUC__) || defined(__clang__)) && !defined(_WIN32)
    #define FASTDNN_SPARES 64
    static char *fastdnn_spares[FASTDNN_SPARES];
    static FASTDNN_THREAD int fastdnn_place;
    static char *fastdnn_borrow(void) {
        void *memory;
        for (int i = 0; i < FASTDNN_SPARES; i++) {
            char **spare = &fastdnn_spares[(fastdnn_place + i) % FASTDNN_SPARES];
            if (__atomic_load_n(spare, __ATOMIC_RELAXED) == NULL) continue;
            memory = __atomic_exchange_n(spare, NULL, __ATOMIC_ACQUIRE);
            if (memory != NULL) return memory;
        }
        return posix_memalign(&memory, 64, FASTDNN_LARGE) ? NULL : memory;
    }
    static void fastdnn_return(char *memory) {
        for (int i = 0; i < FASTDNN_SPARES; i++) {
            int place = (fastdnn_place + i) % FASTDNN_SPARES;
            char *none = NULL;
            if (__atomic_compare_exchange_n(&fastdnn_spares[place], &none, memory, 0,
                                            __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
                fastdnn_place = place;
                return;
            }
        }
        free(memory);
    }
    #else
    static char *fastdnn_borrow(void) { return NULL; }
    static void fastdnn_return(char *memory) { (void) memory; }
    #endif
    """
    enum:
        FASTDNN_SCRATCH
        FASTDNN_LARGE
    char *fastdnn_scratch() noexcept nogil
    char *fastdnn_borrow() noexcept nogil
    void fastdnn_return(char *memory) noexcept nogil


include "layers.pxi"
include "updates.pxi"
include "descents.pxi"
include "transposes.pxi"
include "tiles.pxi"
include "products.pxi"
include "choice.pxi"
include "sparse.pxi"
include "output.pxi"
include "dropout.pxi"
include "columns.pxi"
include "sliced.pxi"
include "stages.pxi"
include "step.pxi"
include "scaled.pxi"
include "exchange.pxi"
include "gram.pxi"
include "epoch.pxi"
include "predict.pxi"
include "finite.pxi"
include "verbs.pxi"
