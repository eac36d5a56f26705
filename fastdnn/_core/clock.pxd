# The time in seconds, from some moment on: the clock of Python's perf_counter.

cdef extern from *:
    """
    #if defined(_WIN32)
    #include <windows.h>
    static double fastdnn_now(void) {
        LARGE_INTEGER count, frequency;
        QueryPerformanceFrequency(&frequency);
        QueryPerformanceCounter(&count);
        return (double) count.QuadPart / (double) frequency.QuadPart;
    }
    #else
    #include <time.h>
    static double fastdnn_now(void) {
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
    }
    #endif
    """
    double now "fastdnn_now"() noexcept nogil

cdef extern from *:
    """
    /* seconds between two looks for Ctrl-C: each takes the GIL, and waits for whoever holds it */
    #define FASTDNN_LOOK 0.02
    """
    double LOOK "FASTDNN_LOOK"
