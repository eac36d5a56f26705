# What follows an epoch that nobody watches: the loss of validation data, and early stopping.

cdef double _loss(Run *run) noexcept nogil:
    # of the validation data
    cdef:
        size_t itemsize = 4 if run.net.type == b'f' else 8
        Py_ssize_t first = 0, stop, n_L = run.net.layers[run.net.L - 1].n
        Targets Y
        double cost = 0
    run.wrong = 0
    while first < run.X.rows:
        stop = min(run.X.rows, first + run.piece)
        Y = run.Y
        if run.Y.T != NULL:
            Y.T = <const char *> run.Y.T + first * n_L * itemsize
        if run.Y.labels != NULL:
            Y.labels = run.Y.labels + first
        if run.Y.weights != NULL:
            Y.weights = <const char *> run.Y.weights + first * itemsize
        if run.Y.classes != NULL:
            Y.classes = run.Y.classes + first
        cost += levels.verbs.evaluate(run.net, &run.X, first, stop, run.work, &Y)
        first = stop
    cost = cost / run.weight if run.weight > 0 else 0.0
    return cost * run.factor + run.constant_loss


cdef void _keep(Run *run, Py_ssize_t i) noexcept nogil:
    # the parameters, if no epoch before was better; a score that is not finite is never best
    cdef double x = run.losses[i] if run.Y.classes == NULL else run.wrong
    run.scores[i] = x
    if x <= run.best and isfinite(x):
        run.best = x
        memcpy(run.best_params, run.net.params,
               run.net.size * (4 if run.net.type == b'f' else 8))


cdef void _judge(Run *run, Py_ssize_t i) noexcept nogil:
    # The words of scikit-learn's early stopping; what is compared is never NaN.
    cdef double x
    if run.piece > 0 and not isfinite(run.losses[i]):
        run.end = UNKNOWN
        return
    run.stayed += 1
    if run.judged == COST:
        # scikit-learn's loss has a term more, which is 0
        x = run.costs[i] + 0.0
        if not x > run.best - run.tol:
            run.stayed = 0
        run.best = min(run.best, x)
    else:
        x = -run.losses[i] if run.judged == LOSS else _hits(run)
        run.scores[i] = x
        if not x < run.best + run.tol:
            run.stayed = 0
        if x > run.best or not run.has_best:
            memcpy(run.best_params, run.net.params,
                   run.net.size * (4 if run.net.type == b'f' else 8))
            run.has_best = True
        run.best = max(run.best, x)
    if run.stayed > run.patience:
        run.end = STAYED


cdef double _hits(Run *run) noexcept nogil:
    # the share of the validation data's examples whose class is predicted
    levels.verbs.predict(run.net, &run.X, 0, run.X.rows, run.work, run.AL)
    if run.net.type == b'f':
        return _share(run.X.rows, run.net.layers[run.net.L - 1].n, <const float *> run.AL,
                      run.classes)
    return _share(run.X.rows, run.net.layers[run.net.L - 1].n, <const double *> run.AL, run.classes)


cdef double _share(
    Py_ssize_t m, Py_ssize_t n, const floating *AL, const int64_t *classes,
) noexcept nogil:
    # of one output class 1 has more than a half; of several the first greatest, or a NaN, counts
    cdef:
        Py_ssize_t i, j, at, hits = 0
        const floating *row
    for i in range(m):
        row = AL + i * n
        at = 0
        if n == 1:
            at = row[0] > 0.5
        else:
            for j in range(1, n):
                if row[at] != row[at]:
                    break
                if not row[j] <= row[at]:
                    at = j
        hits += at == classes[i]
    return <double> hits / <double> m
