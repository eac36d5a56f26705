# A part of course.pyx: a product for the benchmark.

def multiply(A, bint trans_A, B, bint trans_B, C, bint ours, Py_ssize_t steps=1,
             Py_ssize_t height=0):
    """Compute C (M, N) := A B so many times.

    Parameters
    ----------
    A, B : ndarray
        The memory of A (M, K) and B (K, N) in C order, or of their transposes.
    trans_A, trans_B : bool
        Whether it holds the transpose.
    C : ndarray, shape (M, N)
        The result, in C order. All three are of one element type, float32 or float64.
    ours : bool
        Whether to multiply by the loops, if they are chosen, or by BLAS.
    steps : int
        How many times.
    height : int
        Rows of C that the loops make at a time, as several threads do; 0: all.

    Returns
    -------
    bool
        Whether it was done by the loops.
    """
    cdef:
        Matrix a, b, c
        bint done
    if not (_look(C, &c) and _look_like(A, &c, A.shape[0], A.shape[1], &a)
            and _look_like(B, &c, B.shape[0], B.shape[1], &b)
            and A.flags.c_contiguous and B.flags.c_contiguous and C.flags.c_contiguous):
        raise ValueError("all must be whole matrices of one element type")
    _transpose(&a, trans_A)
    _transpose(&b, trans_B)
    if not (a.rows == c.rows and a.cols == b.rows and b.cols == c.cols):
        raise ValueError("the shapes do not fit")
    with nogil:
        done = levels.verbs.multiply_often(
            &a, &b, &c, ours, height if height > 0 else c.rows, steps)
    return done


cdef void _transpose(Matrix *matrix, bint trans) noexcept:
    # a C-contiguous one, if so asked
    if trans:
        matrix.rows, matrix.cols = matrix.cols, matrix.rows
    matrix.trans = trans
