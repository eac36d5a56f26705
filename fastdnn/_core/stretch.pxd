# A stretch of a fit: epochs in a row, of which Python sees nothing before the last.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from fastdnn._core.source cimport Source
from fastdnn._core.spec cimport BitGenerator, Job, Net, Targets
from fastdnn._core.training cimport Trainer


cdef enum End:
    # why a stretch ended
    GOES_ON      # its time is over, or its memory full
    DONE         # all epochs were trained
    STAYED       # there was no improvement for too many epochs
    LATE         # the time of the fit is over
    DIVERGED     # the last epoch was undone
    INTERRUPTED  # the last epoch was not trained to its end
    UNKNOWN      # the loss of the validation data is not finite


cdef enum Judged:
    # what decides whether the fit improves
    NOTHING
    COST    # the cost of the training data
    LOSS    # the loss of the validation data
    HITS    # the share of its examples whose class is predicted


cdef struct Run:
    Job *job
    int64_t *steps         # counted on
    int64_t *epochs
    int64_t left           # epochs that are asked for; below 0: any number
    const double *rates    # of the epochs of this stretch, or one for all
    bint constant
    const double *each     # or of their steps, so many an epoch
    Py_ssize_t n_each
    double began           # when the fit did
    double most            # seconds of it
    End end
    bint trained           # whether a step was taken
    double cost            # of the last epoch
    # an entry for each epoch of this stretch
    Py_ssize_t size
    Py_ssize_t filled
    double *costs
    double *losses
    double *scores
    double *times
    # the order of the examples
    BitGenerator *bits     # NULL: they stay as they are
    PyObject *lock         # of bits, where others may draw from it too
    const int64_t *anew    # what is shuffled before each epoch; NULL: the order itself, further
    int64_t *order
    int64_t *among         # the order, as one of rows of X, where some are trained on
    bint ordered           # whether the engine reads it
    # validation: rows of X at a time
    const Net *net
    Source X
    Targets Y
    Py_ssize_t piece       # 0: none
    double weight
    double factor          # from the mean cost to the loss
    double constant_loss   # beside it
    void *work
    # early stopping
    Judged judged
    const int64_t *classes
    void *AL
    double tol
    double patience
    double best
    int64_t stayed         # epochs without improvement
    bint has_best          # whether the best parameters are kept
    void *best_params
    bint keeps             # the parameters of the epoch with the least score
    double wrong           # of the validation data: the weight of what is predicted wrong


cdef class Stretch:
    cdef:
        Run c
        Trainer trainer
        object kept_alive
        object lock      # of the bit generator
        object error     # what has interrupted the last epoch

    cdef int _run(self, Py_ssize_t size, double seconds) except -1
    cdef list _listed(self, const double *entries, Py_ssize_t count)


cdef void last(Run *run, double seconds) noexcept nogil
