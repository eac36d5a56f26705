# The end of a step that ranks take together: the sum of their gradients and costs.

cdef double exchange(
    Job *job, Part *part, double cost, bint *finite, const floating *tag,
) noexcept nogil:
    # The terms of L2 are added once, to the sums, and then all take the same step. Returns the sum
    # of the costs.
    cdef:
        Py_ssize_t l, at
        Rows rows
    if part.thread == 0:
        if part.begins:
            job.rank_cost = 0
            if part.batch.rows == 0:
                memset(job.grads, 0, job.net.size * sizeof(floating))
        job.rank_cost += cost
    if not part.ends:
        return 0
    if job.l2 > 0:
        square_weights(job, part, tag)
    if not wait(&job.team):
        finite[0] = False
        return NAN
    if part.thread == 0:
        restore_modes(part.modes)
        job.going = job.exchange(job.ranks, &job.rank_cost)
        part.modes = flush_subnormals()
    if not wait(&job.team):
        finite[0] = False
        return NAN
    cost = job.rank_cost
    if job.l2 > 0:
        cost += part.weight * part.l2 * 0.5 * sum_of_layers(job, job.squares, 0)
    finite[0] = job.going == GO_ON and cost - cost == 0
    if not finite[0]:
        return cost
    for l in range(job.net.L if part.l2 > 0 else 0):
        rows = own(job, &job.slots[l].cut, part.thread)
        at = rows.first * job.net.layers[l].n
        add_scaled(rows.size * job.net.layers[l].n, <floating> part.l2,
                   <const floating *> job.slots[l].W + at, <floating *> job.slots[l].dW + at)
    finish(job, part, tag)
    return cost
