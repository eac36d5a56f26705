# Whole training runs, without the Python line: no checks, no allocation, no objects.

from cython cimport floating
from libc.stdint cimport int64_t, uint64_t

from fastdnn._loops cimport Activation, Cost, Optimizer, Step


cdef struct Layer:
    Activation act
    Py_ssize_t n_prev
    Py_ssize_t n
    Py_ssize_t at  # where W stands in the arena; b follows it


cdef struct Source:
    # a matrix of any strides, counted in elements
    char type  # b'f' float32, b'd' float64
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row
    Py_ssize_t col
    const void *data


cdef struct Slot:
    # where a layer's arrays are, while it trains
    void *W
    void *b
    void *dW
    void *db
    void *m1_W
    void *m1_b
    void *m2_W
    void *m2_b
    void *A
    void *S              # what the derivative of the activation is a function of: A, or Z
    double keep          # the probability that dropout keeps an output
    unsigned char *kept


cdef struct BitGenerator:
    # NumPy's bitgen_t
    void *state
    uint64_t (*next_uint64)(void *) noexcept nogil


cdef struct Region:
    # memory that an epoch changes, and where it is kept meanwhile
    char *live
    char *saved
    size_t size


cdef enum:
    REGIONS = 6
    SHARES = 2   # which of them are those of the Gram form


cdef struct Job:
    Py_ssize_t L
    const Layer *layers
    Slot *slots
    Cost cost
    double cost_parameter
    # the data
    Source X
    const void *T
    const int64_t *labels
    const void *weights
    Py_ssize_t m
    Py_ssize_t batch
    bint read_in_place
    bint trans_X
    const int64_t *order
    # workspace
    void *X_batch
    void *T_batch
    void *w_batch
    void *dA
    void *dA_prev
    unsigned char *kept_X
    # the optimiser
    Optimizer optimizer
    Step step
    bint fused           # plain gradient descent: the product updates W itself
    bint bias_corrected
    double learning_rate
    double weight_decay
    double clip_norm
    double l2
    int64_t steps
    # dropout
    BitGenerator *bits
    double keep_X
    # the Gram form of the first layer
    bint gram
    const void *K        # X X^T
    const void *Z0       # X W0
    const void *ZV0      # X V0
    double *of_W         # w, w', v, v' in W = w W0 + w' V0 + ... and V = v W0 + v' V0 + ...
    double *of_V
    double gram_squares  # the sum of the squares of W
    double W0_W0         # inner products
    double W0_V0
    double V0_V0
    # what is undone if the epoch is not finite
    bint guarded
    Region regions[REGIONS]
    int64_t saved_steps


cdef void gather(
    Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X, floating *out,
) noexcept nogil

cdef void predict(
    const Layer *layers, Py_ssize_t L, Activation act, const floating *params,
    Py_ssize_t rows, const floating *X, floating *work, floating *work_prev, floating *AL,
) noexcept nogil

cdef double epoch(Job *job, const floating *tag) except? -1 nogil

cdef const floating *targets(
    Job *job, const floating *tag, Py_ssize_t first, Py_ssize_t rows,
) noexcept nogil

cdef double sum_of(Py_ssize_t size, const floating *x) noexcept nogil

cdef Py_ssize_t first_nonfinite_row(const Source *X, bint single) noexcept nogil
