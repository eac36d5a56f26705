# The end of a step that ranks take together: the sum of their gradients and costs.

cdef double exchange(
    Work *work, Part *part, double cost, bint *finite, const floating *tag,
) noexcept nogil:
    # The terms of L2 are added once, to the sums, and then all take the same step. Returns the sum
    # of the costs.
    cdef:
        Job *job = work.job
        Py_ssize_t l
        Rows rows
    if part.begins:
        job.rank_cost = 0
        if part.batch.rows == 0:
            memset(job.grads, 0, job.net.size * sizeof(floating))
    job.rank_cost += cost
    if not part.ends:
        return 0
    for l in range(job.net.L if job.l2 > 0 else 0):
        rows = some(&job.slots[l].cut, 0, job.slots[l].cut.slices)
        square_weights(job, l, &rows, tag)
    restore_modes(part.modes)
    job.going = job.exchange(job.ranks, &job.rank_cost)
    part.modes = flush_subnormals()
    cost = job.rank_cost
    if job.l2 > 0:
        cost += part.weight * part.l2 * 0.5 * sum_of_layers(job, job.squares, 0)
    finite[0] = job.going == GO_ON and cost - cost == 0
    if not finite[0]:
        return cost
    for l in range(job.net.L if part.l2 > 0 else 0):
        add_scaled(job.net.layers[l].n_prev * job.net.layers[l].n, <floating> part.l2,
                   <const floating *> job.slots[l].W, <floating *> job.slots[l].dW)
    end_step(work, part, tag)
    return cost
