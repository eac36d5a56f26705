# Matrix products of our own: blocks that stay in the caches, of the tiles of tiles.pxi.
#
# An element of C is the sum of K products in an order that follows from K alone: parts of even
# depth, in each a chain of fused multiply-adds. Which of A and B is read where it lies, how many
# columns a block has and which rows of C a call makes are matters of speed.

from cython cimport floating
from libc.string cimport memcpy


cdef enum:
    DEPTH = 256               # rows of B that a chain of sums runs over, at most
    TILE = 6                  # rows of A that a tile multiplies
    PACKED = 24               # rows of A that are packed together: whole lines are read
    ADDED = 24                # rows of a narrow C that are added at a time
    ROWS = 128                # rows of A that stay in the second-level cache meanwhile
    FEW = 24                  # rows of A that do not repay a copy of a B that can be read in place
    MANY = 256                # rows that repay it where tiles are wide
    LINE = 64                 # bytes of partial sums of a dot product
    ACROSS = 128              # rows of a narrow C that are made as columns, at a time


cdef struct Room:
    # memory for copies of some of A and B
    char *borrowed   # NULL if it is the thread's own
    char *panel
    char *copy
    Py_ssize_t size  # of the copy of B


cdef Caches caches  # read at import by levels.pyx


cdef void own_product(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B,
    floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha A (M, K) B (K, N) + beta C; C row-major, A and B too, or transposed.
    cdef:
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), parts = (K + DEPTH - 1) // DEPTH
        Py_ssize_t deepest = (K + parts - 1) // parts * sizeof(floating)  # bytes of a column's part
        Py_ssize_t j = 0, k, cols, depth, left, blocks
        bint copies = copies_B(M, N, K, sizeof(floating), col_B != 1)
        bint packs = packs_A(M, N, sizeof(floating), col_A != 1)
        Room room
        floating factor
    if K == 1:
        _outer(M, N, alpha, A, B, beta, C)
        return
    if col_A != 1 and col_B == 1 and turns_C(M, N, K, sizeof(floating)):
        _turned_product(M, N, K, alpha, A, col_A, B, beta, C)
        return
    if parts == 1 and not (copies or packs):
        _add_part(NULL, False, False, M, N, K, alpha, A, row_A, col_A, B, row_B, col_B, beta,
                  C, N)
        return
    cols = N
    room.borrowed = NULL
    if copies or packs:
        room = _room(deepest, (N + w) * deepest if copies else 0, packs)
        cols = max(8 * w, caches.second // 2 // deepest // w * w)
        if copies:
            cols = min(cols, (room.size // deepest - w) // w * w)
    # blocks of even width, none narrower than a vector
    blocks = (N + cols - 1) // cols
    while j < N:
        cols = min(N - j, ((N - j + blocks - 1) // blocks + w - 1) // w * w)
        blocks -= 1
        k, left, factor = 0, parts, beta
        while k < K:
            depth = (K - k + left - 1) // left
            left -= 1
            _add_part(&room, copies, packs, M, cols, depth, alpha, A + k * col_A, row_A, col_A,
                      B + k * row_B + j * col_B, row_B, col_B, factor, C + j, N)
            k += depth
            factor = 1
        j += cols
    if room.borrowed != NULL:
        fastdnn_return(room.borrowed)


cdef inline bint copies_B(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t size, bint trans_B,
) noexcept nogil:
    # Whether tiles read copies of B, not B where it lies. A tile of four vectors reads whole lines
    # of the second-level cache's, and enough is made of each; narrower tiles read B best from the
    # first-level cache, into which a copy of their columns fits.
    if trans_B or N * size < FASTDNN_WIDTH:
        return True
    if FASTDNN_VECTORS == 4:
        return M >= MANY and 2 * K * N * size > caches.second
    return M > FEW and K * N * size > caches.first


cdef inline bint packs_A(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t size, bint trans_A,
) noexcept nogil:
    # whether tiles read copies of A, whose columns are far apart
    return trans_A and M > 1 and N * size > 2 * FASTDNN_VECTORS * FASTDNN_WIDTH


cdef inline Py_ssize_t _halves(Py_ssize_t n, Py_ssize_t w) noexcept nogil:
    # of vectors of w elements that hold n, where half a vector takes half the time
    cdef Py_ssize_t left = n % w
    return n // w * 2 + (0 if left == 0 else 1 if FASTDNN_HALVES and left <= w // 2 else 2)


cdef inline bint turns_C(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t size,
) noexcept nogil:
    # whether a narrow C is made as its transpose, since its columns fill whole vectors better, and
    # the columns of A are contiguous
    cdef Py_ssize_t w = FASTDNN_WIDTH // size
    return (N <= 2 * w and w <= M
            and K * (M * _halves(N, w) - N * _halves(M, w)) > M * N)


cdef inline Room _room(Py_ssize_t deepest, Py_ssize_t wanted, bint packs) noexcept nogil:
    # for copies of B of so many bytes, or as many as there are
    cdef:
        Room room
        Py_ssize_t panel = PACKED * deepest if packs else 0
    room.borrowed = NULL
    room.panel = fastdnn_scratch()
    room.size = FASTDNN_SCRATCH - panel
    if wanted > room.size:
        room.borrowed = fastdnn_borrow()
        if room.borrowed != NULL:
            room.panel = room.borrowed
            room.size = FASTDNN_LARGE - panel
    room.copy = room.panel + panel
    return room


cdef inline void _outer(
    Py_ssize_t M, Py_ssize_t N, floating alpha, const floating *x, const floating *y,
    floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha x y^T + beta C
    cdef:
        Py_ssize_t i, j
        floating a
    for i in range(M):
        a = alpha * x[i]
        if beta == 0:
            for j in range(N):
                C[i * N + j] = a * y[j]
        else:
            for j in range(N):
                C[i * N + j] = a * y[j] + beta * C[i * N + j]


cdef void _turned_product(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t col_A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # C := (alpha B^T A^T)^T + beta C, some rows at a time, each element as own_product makes it
    cdef:
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), parts = (K + DEPTH - 1) // DEPTH
        Py_ssize_t blocks = (M + ACROSS - 1) // ACROSS, i = 0, k, rows, depth, left
        floating *turned = <floating *> fastdnn_scratch()
        floating *some = turned + max(N, w) * ACROSS
        floating factor
    while i < M:
        rows = min(M - i, ((M - i + blocks - 1) // blocks + w - 1) // w * w)
        blocks -= 1
        k, left, factor = 0, parts, beta
        while k < K:
            depth = (K - k + left - 1) // left
            left -= 1
            _add_rows(False, N, rows, depth, alpha, B + k * N, 1, N, A + k * col_A + i, col_A,
                      <floating> 0, turned, rows)
            _turn_narrow(N, rows, turned, some)
            if floating is float:
                fastdnn_float_add(rows * N, some, factor, C + i * N)
            else:
                fastdnn_double_add(rows * N, some, factor, C + i * N)
            k += depth
            factor = 1
        i += rows


cdef inline void _turn_narrow(
    Py_ssize_t N, Py_ssize_t cols, const floating *x, floating *y,
) noexcept nogil:
    # y (cols, N) := x (N, cols)^T, of at least a vector's columns. What a square of fewer rows than
    # that has beside them goes where the next rows' follow, and behind the last.
    cdef Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), i = 0
    if N >= w:
        turn(N, cols, x, cols, y, N)
        return
    while i < cols:
        i = min(i, cols - w)
        if floating is float:
            fastdnn_float_turn(x + i, cols, y + i * N, N)
        else:
            fastdnn_double_turn(x + i, cols, y + i * N, N)
        i += w


cdef inline void _add_part(
    const Room *room, bint copies, bint packs, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B,
    floating beta, floating *C, Py_ssize_t row_C,
) noexcept nogil:
    # Of some columns of C a part of some depth; no room is needed where nothing is copied. Some
    # rows of A stay in a cache meanwhile: those of a tile if all of B fits the first-level cache,
    # or copies of some tiles'.
    cdef:
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), i = 0, rows, height = ROWS, blocks
        floating *copy
    if copies:
        copy = <floating *> room.copy
        _copy_part(M == 1, N, K, B, row_B, col_B, copy)
        B, row_B = copy, 0
    if N < w:
        _add_narrow(M, N, K, alpha, A, row_A, col_A, B, beta, C)
        return
    if packs:
        height = PACKED
    elif N * K * sizeof(floating) <= <size_t> caches.first:
        height = TILE
    blocks = (M + height - 1) // height
    while i < M:
        rows = (M - i + blocks - 1) // blocks
        blocks -= 1
        if packs:
            _add_packed(rows, N, K, alpha, A + i, col_A, B, row_B, beta, C + i * row_C, row_C,
                        <floating *> room.panel)
        else:
            _add_rows(M == 1, rows, N, K, alpha, A + i * row_A, row_A, col_A, B, row_B, beta,
                      C + i * row_C, row_C)
        i += rows


cdef inline void _add_packed(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t col_A, const floating *B, Py_ssize_t row_B,
    floating beta, floating *C, Py_ssize_t row_C, floating *panel,
) noexcept nogil:
    # of some rows of A, whose columns are contiguous
    cdef Py_ssize_t i = 0, rows
    if floating is float:
        fastdnn_float_pack(M, K, A, col_A, panel)
    else:
        fastdnn_double_pack(M, K, A, col_A, panel)
    while i < M:
        rows = min(<Py_ssize_t> TILE, M - i)
        _add_rows(False, rows, N, K, alpha, panel + i * K, 1, rows, B, row_B, beta,
                  C + i * row_C, row_C)
        i += TILE


cdef inline Py_ssize_t _vectors(bint row, Py_ssize_t n) noexcept nogil:
    # of the next tile, if so many are left; the last two tiles are of even width
    if row and n >= 8:
        return FASTDNN_ROW if n >= FASTDNN_ROW else 8
    return n if n <= FASTDNN_VECTORS else min((n + 1) // 2, <Py_ssize_t> FASTDNN_VECTORS)


cdef inline void _copy_part(
    bint row, Py_ssize_t N, Py_ssize_t K,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B, floating *copy,
) noexcept nogil:
    # copies of the columns of B (K, N) that each tile reads, one after the other; rows of one that
    # is narrower than a vector are as long as that
    cdef Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), j = 0, n, at, cols
    if N < w:
        if col_B == 1:
            _copy_narrow(N, K, B, copy)
        else:
            turn(N, K, B, col_B, copy, w)
        return
    while j < N:
        n = _vectors(row, (N - j + w - 1) // w)
        at = min(j, N - w)
        cols = min(j + n * w, N) - at
        if col_B != 1:
            turn(cols, K, B + at * col_B, col_B, copy, cols)
        elif floating is float:
            fastdnn_float_lay(K, cols, B + at, row_B, copy)
        else:
            fastdnn_double_lay(K, cols, B + at, row_B, copy)
        copy += K * cols
        j += n * w


cdef inline bint _ends_half(Py_ssize_t left, int vectors, Py_ssize_t w) noexcept nogil:
    # whether half a vector ends a tile of so many, and with it the columns that are left
    left -= (vectors - 1) * w
    return FASTDNN_HALVES and vectors <= FASTDNN_VECTORS and left <= w // 2


cdef inline void _copy_narrow(
    Py_ssize_t N, Py_ssize_t K, const floating *B, floating *copy,
) noexcept nogil:
    # copy (K, w) := B (K, N); vectors that begin with B's last rows would end behind it
    cdef Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), j, k = max(0, K - w // N - 1)
    if floating is float:
        fastdnn_float_lay(k, w, B, N, copy)
    else:
        fastdnn_double_lay(k, w, B, N, copy)
    while k < K:
        for j in range(N):
            copy[k * w + j] = B[k * N + j]
        k += 1


cdef inline void _add_rows(
    bint row, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A, const floating *B, Py_ssize_t row_B,
    floating beta, floating *C, Py_ssize_t row_C,
) noexcept nogil:
    # C := alpha A B + beta C by some vectors of B's columns at a time, the last overlapping the one
    # before; row_B = 0: B is what _copy_part makes of it
    cdef:
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), j = 0, last, n, at, cols
        bint half
    while j < N:
        n = _vectors(row, (N - j + w - 1) // w)
        half = _ends_half(N - j, <int> n, w)
        last = min((n - 1) * w, N - (w // 2 if half else w) - j)
        if row_B > 0:
            _add_panel(<int> n, half, M, K, alpha, A, row_A, col_A, B + j, row_B,
                       beta, C + j, row_C, last)
        else:
            at = min(j, N - w)
            cols = min(j + n * w, N) - at
            _add_panel(<int> n, half, M, K, alpha, A, row_A, col_A, B + j - at, cols,
                       beta, C + j, row_C, last)
            B += K * cols
        j += n * w


cdef inline void _add_panel(
    int vectors, bint half, Py_ssize_t M, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A, const floating *B, Py_ssize_t row_B,
    floating beta, floating *C, Py_ssize_t row_C, Py_ssize_t last,
) noexcept nogil:
    # C (M, vectors) := alpha A (M, K) B (K, vectors) + beta C
    cdef:
        Py_ssize_t i = 0, tiles = (M + TILE - 1) // TILE
        int height = <int> M, more = 0, rows
    if tiles > 1:
        # tiles of even height
        height = <int> (M // tiles)
        more = <int> (M - height * tiles)
    while i < M:
        rows = height + (more > 0)
        more -= 1
        if floating is float:
            fastdnn_float_tile(rows, vectors, half, K, alpha, A + i * row_A, row_A, col_A,
                               B, row_B, beta, C + i * row_C, row_C, last)
        else:
            fastdnn_double_tile(rows, vectors, half, K, alpha, A + i * row_A, row_A, col_A,
                                B, row_B, beta, C + i * row_C, row_C, last)
        i += rows


cdef inline void _add_narrow(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A, const floating *B,
    floating beta, floating *C,
) noexcept nogil:
    # C (M, N) of less than a vector's columns, with whole vectors of B. What a row of a tile has
    # beside its columns is nobody's, and goes where the next rows' follow, but for the last rows,
    # and where something is added.
    cdef:
        char memory[ADDED * FASTDNN_WIDTH]
        floating *some = <floating *> &memory[0]
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), i = 0, rows
        bint half = _ends_half(N, 1, w)
    if beta == 0:
        i = max(<Py_ssize_t> 0, M - ((w // 2 if half else w) + N - 1) // N)
        _add_panel(1, half, i, K, alpha, A, row_A, col_A, B, w, beta, C, N, 0)
    while i < M:
        rows = min(<Py_ssize_t> ADDED, M - i)
        _add_panel(1, half, rows, K, alpha, A + i * row_A, row_A, col_A, B, w, <floating> 0,
                   some, N, 0)
        if floating is float:
            fastdnn_float_add(rows * N, some, beta, C + i * N)
        else:
            fastdnn_double_add(rows * N, some, beta, C + i * N)
        i += rows


cdef inline void dots(
    Py_ssize_t M, Py_ssize_t K, floating alpha, const floating *A, const floating *x,
    floating beta, floating *y,
) noexcept nogil:
    # y (M) := alpha A (M, K) x + beta y, A row-major
    if K * sizeof(floating) < LINE:
        if floating is float:
            fastdnn_float_short_dots(M, K, alpha, A, x, beta, y)
        else:
            fastdnn_double_short_dots(M, K, alpha, A, x, beta, y)
    elif floating is float:
        fastdnn_float_dots(M, K, alpha, A, x, beta, y)
    else:
        fastdnn_double_dots(M, K, alpha, A, x, beta, y)
