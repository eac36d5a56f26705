# The settings of a fit, as the numbers of a job.

from libc.float cimport DBL_MIN, FLT_MIN

from fastdnn._core.optimizers cimport NONE
from fastdnn._core.spec cimport STREAM, WHOLE, Factors, Job


cdef inline int take_numbers(Job *job, settings) except -1:
    # of a job whose network, examples and steps are known
    cdef:
        Py_ssize_t l
        double tiny = FLT_MIN if job.net.type == b'f' else DBL_MIN
    job.step.beta1, job.step.beta2 = settings.beta1, settings.beta2
    # an epoch takes subnormal numbers as 0, and an epsilon or a norm of 0 means something else
    job.step.epsilon, job.clip_norm = settings.epsilon, settings.clip_norm
    if job.step.epsilon > 0:
        job.step.epsilon = max(job.step.epsilon, tiny)
    if job.clip_norm > 0:
        job.clip_norm = max(job.clip_norm, DBL_MIN)
    job.weight_decay = settings.weight_decay
    job.l2, job.l2_per_weight = settings.l2, settings.l2_per_weight
    job.epsilon_corrected, job.cost_per_row = settings.epsilon_corrected, settings.cost_per_row
    job.cost_scale, job.smoothing = settings.cost_scale, settings.label_smoothing
    # to clip a gradient, to hand it out or to sum it over batches or ranks, it must be whole
    job.way = WHOLE if (job.clip_norm > 0 or job.optimizer == NONE
                        or job.per_step > job.batch or settings.ranks is not None) else STREAM
    job.guarded = settings.guarded
    job.factored = len(settings.factors) > 0 or job.net.scale > 0
    factors = iter(settings.factors)
    for l in range(job.net.L):
        job.slots[l].of_W = _next(factors, job.step.epsilon, tiny)
        job.slots[l].of_b = _next(factors, job.step.epsilon, tiny)
    job.scale.factors = _next(factors, job.step.epsilon, tiny)
    return 0


cdef inline Factors _next(factors, double epsilon, double tiny) except *:
    # those of the next parameter
    cdef Factors found
    found.rate, found.decay, found.epsilon = next(factors, (1.0, 1.0, 1.0))
    if epsilon * found.epsilon > 0:
        found.epsilon = max(found.epsilon, tiny / epsilon)
    return found
