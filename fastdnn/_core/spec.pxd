# The one vocabulary of the core: what its doors and its levels tell each other.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from fastdnn._core.activations cimport Activation
from fastdnn._core.board cimport Board
from fastdnn._core.costs cimport Cost
from fastdnn._core.optimizers cimport Optimizer, Step
from fastdnn._core.slices cimport SLICES, Cut
from fastdnn._core.source cimport Source
from fastdnn._core.turns cimport Turns


cdef enum Output:
    # the output's activation: the function of the logits that a prediction returns
    OUTPUT_IDENTITY
    OUTPUT_SIGMOID
    OUTPUT_SOFTMAX
    OUTPUT_EXP


cdef enum Way:
    # how a step takes its gradients
    WHOLE   # the gradients of all layers first, then the update
    STREAM  # each layer is updated as soon as its gradient is there


cdef enum:
    # elements of a block that stays in the first-level cache from one loop to the next
    BLOCK = 1024
    # rows that are predicted at a time, at most, and what they are a multiple of
    CHUNK = 1008
    FEWEST = 48
    # elements that are copied at a time where two matrices lie in different orders
    TILED = 1024
    # elements of a row below which rows are not worth a loop each
    SHORT = 16


cdef struct Matrix:
    char type    # b'f' float32, b'd' float64
    bint trans   # the memory holds the transposed matrix, row-major; never of a vector
    bint whole   # nothing lies between the elements
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row  # bytes from a row to the next
    Py_ssize_t col
    void *data


cdef struct Dropout:
    # of a layer of the course
    const unsigned char *kept  # a mask, laid as the layer's outputs; NULL: none is dropped
    double keep                # the probability of an output to be kept
    void *dA                   # dA as it is after the mask goes here, which may be dA itself


cdef enum Pairing:
    DERIVE
    CROSS_ENTROPY
    SKIPPING_NAN  # the cross-entropy without terms that are NaN
    CROSS_ENTROPY_BACKWARD
    DESCEND
    CATEGORICAL   # the cost of softmax
    SQUARED
    DOT


cdef struct Descent:
    # the numbers of a step of Adam, of which momentum reads the first two
    double learning_rate
    double beta1
    double beta2
    double correction1  # 1 / (1 - beta1^t): together the gradients of a moment weigh less than 1
    double correction2
    double epsilon


cdef struct Caches:
    # the caches' sizes by which the products choose, in bytes
    Py_ssize_t first   # the first-level cache's part for B
    Py_ssize_t second  # the second-level cache


cdef struct Layer:
    Activation act
    bint of_Z      # whether the derivative of that is a function of Z, not of A
    Py_ssize_t n_prev
    Py_ssize_t n
    Py_ssize_t at  # the offset of W in the arena; b follows it


cdef struct Net:
    # a network as it predicts
    char type            # b'f' float32, b'd' float64
    Py_ssize_t L
    const Layer *layers
    Py_ssize_t widest    # units of the widest hidden layer
    Output output
    Cost cost
    double cost_parameter
    void *params
    Py_ssize_t size      # of params
    Py_ssize_t scale     # where s begins in the arena, and V behind it; 0: there are none
    Py_ssize_t chunk     # rows that are predicted at a time


cdef struct Targets:
    # of some examples: T (m, n_L) or their class indices, and their weights unless all are 1
    const void *T
    const int64_t *labels
    const void *weights
    # an evaluation's: the classes, and the weight of all examples of which another is predicted
    const int64_t *classes
    double *wrong


cdef struct Factors:
    # what the optimiser's numbers are multiplied by for some parameters
    double rate
    double decay
    double epsilon


cdef struct Scale:
    # Each input is multiplied by a number s of its own: W1 = diag(s) V, which are what is trained.
    # The moments of V lie where those of W1 would.
    void *s              # (n_0,); NULL: there are none
    void *ds
    void *m1
    void *m2
    void *V              # (n_0, n_1)
    Factors factors      # of s


cdef struct Slot:
    # a layer's arrays during training
    void *W
    void *b
    void *dW
    Cut cut              # the slices of W; in the Gram form of C
    void *db             # a row of sums for each slice of the batch
    void *dZ
    void *m1_W
    void *m1_b
    void *m2_W
    void *m2_b
    void *A
    void *S              # act' itself where that is a function of Z, else A before dropout
    double keep          # the probability that dropout keeps an output
    unsigned char *kept
    Factors of_W
    Factors of_b


cdef struct BitGenerator:
    # NumPy's bitgen_t
    void *state
    uint64_t (*next_uint64)(void *) noexcept nogil
    uint32_t (*next_uint32)(void *) noexcept nogil


cdef struct Region:
    # memory that an epoch changes, and a copy of what it held before the epoch
    char *live
    char *saved
    size_t size


cdef enum:
    REGIONS = 6
    SHARES = 2   # the region of the Gram form's coefficients
    FIRST = 4    # of the first moments, the second ones behind it


cdef enum:
    SUMS = SLICES + 1  # of a layer's slices of W, and of its b


cdef enum Going:
    # what ranks do after a step's gradients
    GO_ON
    DIVERGED  # the cost is not finite
    LEAVE     # one of them is not well: no step is taken


cdef struct Job:
    Py_ssize_t n_threads  # at most
    Board *board          # where helpers look; NULL if there are none
    Turns turns           # of the batches
    bint busy             # in an epoch
    # the sums of slices: of the batch's costs, and of each layer, SUMS of them
    double *costs
    double *squares           # of the weights
    double *gradient_squares
    double *first_squares     # of a sparse first layer after its update; below 0 if unknown
    bint interrupted     # by a signal, whose exception the first thread has, or by another thread
    const int64_t *stop     # set by another thread: no step begins; or NULL
    bint ended           # whether the call took every batch and was not undone
    bint hears           # whether the first thread is Python's main one, which alone finds signals
    double heard         # when it looked for them
    # an epoch of several calls, each with a trainer of its own
    bint continued       # whether it began in an earlier one
    bint unfinished      # whether it ends in a later one
    int64_t before       # steps taken before it
    double total         # its batches' costs, each by what it counts
    double total_weight
    # the next batch of all threads, chosen by the first one, unless the epoch is over
    bint over
    Py_ssize_t first     # its first example, in the order
    Py_ssize_t rows
    # the batch's step: its examples are begin .. end of the order
    Py_ssize_t begin
    Py_ssize_t end
    double weight        # of all examples of the step
    Net net
    Slot *slots
    double cost_scale    # multiplies the cost, but not its gradient
    # the data
    Source X
    Targets Y
    double smoothing     # of the targets: what share of each is spread over all outputs
    Py_ssize_t m
    Py_ssize_t used      # examples of an epoch: without those of a last batch that is dropped
    Py_ssize_t batch
    Py_ssize_t per_step  # examples of a step: several batches, where gradients are accumulated
    bint read_in_place
    bint trans_X
    const int64_t *order
    const int64_t *chosen  # the rows of X that are trained on, NULL for all
    # workspace
    void *X_batch
    void *T_batch
    void *w_batch
    Py_ssize_t scratch   # elements of a thread's memory for dW under STREAM
    void *dW_top         # dW[L] of each slice of the batch, if the output is not alone on top
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
    bint transposed[SLICES]  # of units' first slices, if the batch is always the same one
    # the optimiser
    Optimizer optimizer
    Step step
    Way way
    void *grads          # the arena of gradients, if they are whole
    void *m1
    void *m2
    Py_ssize_t top       # delta begins with this layer: the output, or it and the last hidden layer
    double learning_rate
    const double *rates  # of the epoch's steps; NULL: all have the same
    bint factored        # whether the numbers differ from one parameter to another
    Scale scale
    double weight_decay
    double clip_norm
    double l2
    bint l2_per_weight   # l2 is divided by the batch's weight
    bint epsilon_corrected   # epsilon is added to the root before the root is corrected
    bint cost_per_row    # the epoch's mean cost counts a batch's by its rows, not by its weight
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
    # The ranks, each with examples of its own, that take their steps together: a step ends with
    # the sum of all ranks' gradients and costs. One without examples left adds zeros.
    void *ranks                 # NULL: there are no others
    Going (*exchange)(void *ranks, double *cost) noexcept nogil
    Py_ssize_t n_steps          # of an epoch
    Py_ssize_t step_at          # the present one
    const double *step_weights  # of all ranks' examples
    double rank_cost            # of the step's batches
    Going going
    # the memory that is restored if the epoch is not finite
    bint guarded
    Region regions[REGIONS]


cdef struct Verbs:
    # The functions of a level. Each branches by the element type, which its arguments name.
    # predictions AL (m, n_L) of the rows first .. stop of X; work holds work_size elements
    void (*predict)(
        const Net *net, const Source *X, Py_ssize_t first, Py_ssize_t stop, void *work, void *AL,
    ) noexcept nogil
    # the sum of these rows' weighted costs against the targets, the first row's first; by FEWEST
    # rows at a time
    double (*evaluate)(
        const Net *net, const Source *X, Py_ssize_t first, Py_ssize_t stop, void *work,
        const Targets *Y,
    ) noexcept nogil
    double (*epoch)(Job *job) noexcept nogil
    # the first row that is not finite, or will not be in float32; or -1
    Py_ssize_t (*first_nonfinite)(const Source *X, bint single) noexcept nogil
    bint (*all_finite)(char type, Py_ssize_t size, const void *x) noexcept nogil
    # C := alpha A B + beta C, the slices begin .. end of its cut by cut_rows
    void (*multiply)(
        const Source *A, const Source *B, double alpha, double beta, const Source *C,
        Py_ssize_t begin, Py_ssize_t end,
    ) noexcept nogil
    # such slices of W := w W0 + w' V0 + X^T C
    void (*span)(
        const Source *X, const Source *W0, const Source *V0, const double *shares,
        const Source *C, Py_ssize_t begin, Py_ssize_t end, const Source *W,
    ) noexcept nogil
    # one layer, one example a column; BLAS has so many threads
    void (*layer_forward)(
        int threads, Activation act, const Dropout *dropout, const Matrix *A_prev,
        const Matrix *W, const Matrix *b, const Matrix *Z, const Matrix *A,
    ) noexcept nogil
    void (*layer_backward)(
        int threads, Activation act, double lambd, const Dropout *dropout, const Matrix *dA,
        const Matrix *Z, const Matrix *dZ, const Matrix *A_prev, const Matrix *W,
        const Matrix *dA_prev, const Matrix *dW, const Matrix *db,
    ) noexcept nogil
    # A := act(Z)
    void (*activate)(Activation act, const Matrix *Z, const Matrix *A) noexcept nogil
    # what the pairing makes of X and Y into out, which is whole and lies as X; or their cost
    double (*pair)(
        Pairing pairing, Activation act, double rate, const Matrix *X, const Matrix *Y,
        const Matrix *out,
    ) noexcept nogil
    # a step from P, dP and its moments to new arrays of P, its moments and, if there are five
    # results, the corrected moments; of momentum if there are two. All are whole and laid as P.
    void (*step)(
        const Descent *descent, int results, const Matrix *given, const Matrix *made,
    ) noexcept nogil
    # a copy in another memory order
    void (*lay)(const Matrix *matrix, const Matrix *copy) noexcept nogil
    # a mask of dropout, from the numbers of a counter
    void (*keep)(
        uint64_t counter, Py_ssize_t size, double keep, unsigned char *kept) noexcept nogil
    # C := A B so many times, by the loops if they are chosen, some rows at a time, or by BLAS;
    # whether by the loops
    bint (*multiply_often)(
        const Matrix *A, const Matrix *B, const Matrix *C, bint ours, Py_ssize_t height,
        Py_ssize_t steps,
    ) noexcept nogil
    Caches *caches
    bint fused           # whether products and their sums are fused, and all loops our own
    Py_ssize_t grain     # what a piece of predictions begins at a multiple of
    bint joint           # whether there is a loop of relu and one output
    bint wide            # whether products read large weights where they lie


cdef inline Py_ssize_t block_rows(Py_ssize_t n) noexcept nogil:
    # rows of a sparse layer's dW that are made at a time
    return max(1, BLOCK // n)


cdef inline bint reads_nonzeros(
    const Source *X, Py_ssize_t n, Py_ssize_t batch, size_t itemsize,
) noexcept nogil:
    # Whether the first layer, of n units, reads the nonzeros of X as they lie. From some density on
    # a dense copy of the batch takes less time, sooner the fewer the units, whose products are
    # cheap beside the nonzeros' own cost. But the copy must not take over twice the memory of X.
    cdef double nonzeros
    if X.csr.starts == NULL:
        return False
    nonzeros = <double> X.csr.starts[X.rows]
    return (nonzeros < 0.2 * n / (n + 8) * X.rows * X.cols
            or <double> batch * X.cols * itemsize > 2 * nonzeros * (itemsize + 4))


cdef inline Py_ssize_t chunk_rows(const Net *net, const Verbs *verbs) noexcept nogil:
    # As many rows as half the second-level cache holds, from the input to the output; but where
    # those are few, or the weights are copied for them, it would be done too often.
    cdef:
        size_t itemsize = 4 if net.type == b'f' else 8
        Py_ssize_t row = itemsize * (net.layers[0].n_prev + 2 * net.widest)
        Py_ssize_t rows = verbs.caches.second // 2 // row // FEWEST * FEWEST
    return rows if verbs.wide and FEWEST <= rows < CHUNK else CHUNK


cdef inline Py_ssize_t work_size(const Net *net, const Source *X, Py_ssize_t rows) noexcept nogil:
    # elements of the workspace of predictions of so many rows of X
    cdef:
        Py_ssize_t n_L = net.layers[net.L - 1].n, chunk = min(rows, net.chunk)
        size_t itemsize = 4 if net.type == b'f' else 8
        bint sparse = reads_nonzeros(X, net.layers[0].n, min(X.rows, net.chunk), itemsize)
    return chunk * (2 * (net.widest + n_L) + (0 if sparse else X.cols))
