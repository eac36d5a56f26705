# Threads that work on the same steps, and wait for each other between the parts of one.


cdef extern from *:
    """
    #if defined(_WIN32)
    #include <windows.h>
    #define FASTDNN_SLEEP() Sleep(0)
    #else
    #include <time.h>
    #define FASTDNN_SLEEP() nanosleep(&(struct timespec) {0, 20000}, NULL)
    #endif
    #if defined(__GNUC__) || defined(__clang__)
    #define FASTDNN_LOAD(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
    #define FASTDNN_ADD(at, x) __atomic_add_fetch(at, x, __ATOMIC_ACQ_REL)
    #else
    #define FASTDNN_LOAD(at) InterlockedCompareExchange(at, 0, 0)
    #define FASTDNN_ADD(at, x) (InterlockedExchangeAdd(at, x) + (x))
    #endif
    #if defined(__x86_64__) || defined(__i386__)
    #define FASTDNN_PAUSE() __builtin_ia32_pause()
    #else
    #define FASTDNN_PAUSE() ((void) 0)
    #endif

    /* the i-th look for a thread that computes beside this one comes soon; one without a processor
       may need ours */
    #define FASTDNN_PASS(i) do if ((i) < 3000) FASTDNN_PAUSE(); else FASTDNN_SLEEP(); while (0)

    typedef struct {
        long n_threads;
        long arrived;     /* threads that wait at the present meeting */
        long left;        /* meetings that all threads have left */
        long abandoned;
    } fastdnn_team;

    /* Wait until all threads have come; 0 if one never will. A thread that computes beside this
       one comes soon. A thread without a processor may need ours: we sleep, and wake on another if
       there is one. */
    static inline int fastdnn_wait(fastdnn_team *team) {
        if (team->n_threads == 1) return 1;
        const long left = FASTDNN_LOAD(&team->left);
        if (FASTDNN_ADD(&team->arrived, 1) == team->n_threads) {
            FASTDNN_ADD(&team->arrived, -team->n_threads);
            FASTDNN_ADD(&team->left, 1);
            return 1;
        }
        for (long i = 0; FASTDNN_LOAD(&team->left) == left; i++) {
            if (FASTDNN_LOAD(&team->abandoned)) return 0;
            FASTDNN_PASS(i);
        }
        return 1;
    }

    static inline void fastdnn_abandon(fastdnn_team *team) {
        FASTDNN_ADD(&team->abandoned, 1);
    }
    """
    ctypedef struct Team "fastdnn_team":
        long n_threads
        long arrived
        long left
        long abandoned
    long load "FASTDNN_LOAD"(const long *at) noexcept nogil
    long add "FASTDNN_ADD"(long *at, long x) noexcept nogil
    void pass_time "FASTDNN_PASS"(long i) noexcept nogil
    bint wait "fastdnn_wait"(Team *team) noexcept nogil
    void abandon "fastdnn_abandon"(Team *team) noexcept nogil


cdef inline Py_ssize_t share(const Team *team, Py_ssize_t size, Py_ssize_t thread) noexcept nogil:
    # the beginning of a thread's part of range(size); it ends where the next thread's begins. The
    # first thread has a single element.
    if team.n_threads == 1:
        return size * thread
    return (size * thread + team.n_threads - 1) // team.n_threads
