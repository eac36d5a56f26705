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

    typedef struct {
        long n_threads;
        long arrived;     /* of those that the next to leave wait for */
        long left;        /* how often all have left */
        long abandoned;
    } fastdnn_team;

    /* Wait until all have come; 0 if one never will. A thread that computes beside this one comes
       soon; for one that has no processor we leave ours, and when we wake are given another if
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
            if (i < 3000) FASTDNN_PAUSE(); else FASTDNN_SLEEP();
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
    bint wait "fastdnn_wait"(Team *team) noexcept nogil
    void abandon "fastdnn_abandon"(Team *team) noexcept nogil


cdef inline Py_ssize_t share(const Team *team, Py_ssize_t size, Py_ssize_t thread) noexcept nogil:
    # where a thread's share of size things begins; the next one's beginning is its end
    return size * thread // team.n_threads
