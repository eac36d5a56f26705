# Subnormal numbers as zero, for the time of a call.
#
# Moments, gradients and weights of units that are seldom active decay, and below the smallest
# normal number an operation takes some processors up to a hundred times as long. The modes belong
# to the thread: whoever sets them restores the modes that were found, also around foreign code.

from libc.stdint cimport uint64_t


cdef extern from *:
    """
    #if defined(__x86_64__) || defined(_M_X64)
    #include <xmmintrin.h>
    #define FASTDNN_SUBNORMALS_AS_ZERO 0x8040  /* of results and of operands, in MXCSR */
    static inline uint64_t fastdnn_modes(void) { return _mm_getcsr(); }
    static inline void fastdnn_set_modes(uint64_t modes) { _mm_setcsr((unsigned int) modes); }
    #elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
    #define FASTDNN_SUBNORMALS_AS_ZERO (1 << 24)  /* FZ, in FPCR */
    static inline uint64_t fastdnn_modes(void) {
        uint64_t modes;
        __asm__ __volatile__("mrs %0, fpcr" : "=r"(modes) : : "memory");
        return modes;
    }
    static inline void fastdnn_set_modes(uint64_t modes) {
        __asm__ __volatile__("msr fpcr, %0" : : "r"(modes) : "memory");
    }
    #else
    #define FASTDNN_SUBNORMALS_AS_ZERO 0
    static inline uint64_t fastdnn_modes(void) { return 0; }
    static inline void fastdnn_set_modes(uint64_t modes) { (void) modes; }
    #endif

    static CYTHON_UNUSED inline uint64_t fastdnn_flush(void) {
        const uint64_t found = fastdnn_modes();
        fastdnn_set_modes(found | FASTDNN_SUBNORMALS_AS_ZERO);
        return found;
    }
    """
    # take subnormals as zero from here on; returns the modes that were found
    uint64_t flush_subnormals "fastdnn_flush"() noexcept nogil
    void restore_modes "fastdnn_set_modes"(uint64_t found) noexcept nogil
    uint64_t modes "fastdnn_modes"() noexcept nogil
