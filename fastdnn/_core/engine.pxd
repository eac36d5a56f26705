# Whole training runs, without the Python line: no checks, no allocation, no objects.

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint64_t

from fastdnn._core.levels cimport Activation, Cost, Optimizer, Step
from fastdnn._core.source cimport Nonzeros, Source
from fastdnn._core.team cimport Team


cdef struct Layer:
    Activation act
    Py_ssize_t n_prev
    Py_ssize_t n
    Py_ssize_t at  # where W stands in the arena; b follows it


cdef struct Slot:
    # where a layer's arrays are, while it trains
    void *W
    void *b
    void *dW
    void *db             # a row of sums for each thread of the team
    void *dZ
    void *m1_W
    void *m1_b
    void *m2_W
    void *m2_b
    void *A
    void *S              # what the derivative is a function of, A or Z; A but for that and dropout
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


cdef struct Share:
    # what a thread adds to the sums of a batch; on a cache line of its own
    double cost
    double squares           # of the weights
    double gradient_squares
    double first_squares     # of the first layer's, if sparse, after its update; below 0 unknown
    bint transposed          # whether a sparse batch is, that is always the same
    bint busy                # while the thread is in an epoch
    double unused[3]


cdef struct Job:
    Team team
    Share *shares
    bint interrupted     # by a signal, whose exception the first thread has
    bint ended           # an epoch of which every batch was taken, and that was not undone
    # the batch that all take next, as the first thread has decided; without rows there is none
    Py_ssize_t first
    Py_ssize_t rows
    double weight
    Py_ssize_t L
    const Layer *layers
    Slot *slots
    Cost cost
    double cost_parameter
    double cost_scale    # what multiplies the cost, but not its gradient
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
    Py_ssize_t scratch   # elements of dW that each thread has, where it is used at once
    unsigned char *kept_X
    # a sparse first layer: the batch's nonzeros, by examples and by features
    bint sparse
    int64_t *starts[2]   # of the examples; one for each of two steps
    int32_t *indices
    void *values
    int64_t *starts_T
    int32_t *indices_T
    void *values_T
    void *dW_block       # rows of dW that each thread makes and uses at once
    # the optimiser
    Optimizer optimizer
    Step step
    bint joint           # the last hidden layer and an output of one unit are taken together
    bint fused           # plain gradient descent: the product updates W itself
    bint bias_corrected
    double learning_rate
    double weight_decay
    double clip_norm
    double l2
    bint l2_per_weight   # l2 is divided by the batch's weight
    bint epsilon_corrected   # epsilon is added to the root before that is corrected
    bint cost_per_row    # a batch's mean cost counts by its rows in that of the epoch
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
    double W0_W0         # inner products
    double W0_V0
    double V0_V0
    double trace         # of K
    # what is undone if the epoch is not finite
    bint guarded
    Region regions[REGIONS]


cdef void predict(
    const Layer *layers, Py_ssize_t L, Activation act, const floating *params,
    Py_ssize_t rows, const floating *X, const Nonzeros *sparse,
    floating *work, floating *work_prev, floating *AL,
) noexcept nogil

cdef double epoch(Job *job, Py_ssize_t thread, const floating *tag) noexcept nogil

cdef bint needs_Z(Activation act) noexcept nogil

cdef Py_ssize_t block_rows(Py_ssize_t n) noexcept nogil

cdef const floating *targets(
    const Job *job, Py_ssize_t first, Py_ssize_t rows, floating *out,
) noexcept nogil
