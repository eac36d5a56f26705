# Memory of large arrays that have ended, kept for the next ones.
#
# A step of training makes arrays of the same sizes as the step before. The C library may give the
# memory of those back to the system, which then hands out each page anew, and empty: that can take
# as long as the step itself. So the doors' results have an owner of memory of our own (NEP 49):
# NumPy calls `_malloc` for a new array, and `_free` where it would call the C library's, that is,
# once nobody holds the array any more, nor a view or a buffer of it. What is safe with malloc and
# free is safe here. The array itself is NumPy's, and owns its memory.
#
# Nobody waits here: whoever finds the list of kept blocks in use, by another thread or in a fork of
# a process in which it was, asks for memory and gives it back as if there were no list.

from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_New
from libc.string cimport memcpy, memmove, memset, strcpy

import numpy

try:
    from numpy._core import multiarray
except ImportError:  # NumPy 1
    from numpy.core import multiarray


cdef extern from *:
    """
    #if defined(__SANITIZE_ADDRESS__)
    #include <sanitizer/asan_interface.h>
    #else
    #define ASAN_POISON_MEMORY_REGION(at, size) ((void) (at), (void) (size))
    #define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void) (at), (void) (size))
    #endif
    #if defined(__GNUC__) || defined(__clang__)
    #define FASTDNN_TAKE(at) (__atomic_exchange_n(at, 1, __ATOMIC_ACQUIRE) == 0)
    #define FASTDNN_LEAVE(at) __atomic_store_n(at, 0, __ATOMIC_RELEASE)
    #else
    #include <windows.h>
    #define FASTDNN_TAKE(at) (InterlockedExchange(at, 1) == 0)
    #define FASTDNN_LEAVE(at) InterlockedExchange(at, 0)
    #endif
    """
    bint enter "FASTDNN_TAKE"(long *in_use) noexcept nogil
    void leave "FASTDNN_LEAVE"(long *in_use) noexcept nogil
    void forbid "ASAN_POISON_MEMORY_REGION"(const void *at, size_t size) noexcept nogil
    void allow "ASAN_UNPOISON_MEMORY_REGION"(const void *at, size_t size) noexcept nogil

cdef enum:
    LINE = 64        # bytes of a cache line, with which an array begins
    PAGE = 64        # and cache lines of a page
    BESIDE = LINE * (PAGE + 2)  # bytes of a block beside an array's
    MOST = 1 << 26   # bytes that are kept at most, as much as glibc keeps of what is freed
    BLOCKS = 128     # and in how many blocks

# NumPy's structures, in their version 1
cdef struct Allocator:
    void *context
    void *(*malloc)(void *context, size_t size) noexcept
    void *(*calloc)(void *context, size_t count, size_t size) noexcept
    void *(*realloc)(void *context, void *data, size_t size) noexcept
    void (*free)(void *context, void *data, size_t size) noexcept

cdef struct Handler:
    char name[127]
    unsigned char version
    Allocator allocator

# the cache line in front of an array's memory
cdef struct Block:
    void *memory  # of NumPy's own allocator
    size_t size   # bytes that an array may have
    size_t used   # and has

ctypedef object (*SetHandler)(object handler)

cdef:
    object empty = numpy.empty
    # our handler and NumPy's; None if this NumPy is an unknown one
    object ours = None
    object default = None
    Handler handler
    Allocator *source = NULL
    SetHandler set_handler = NULL
    # the kept blocks, those first that have been here longest, and whether somebody is at them
    long in_use = 0
    Block *blocks[BLOCKS]
    int count = 0
    size_t total = 0


cdef object new_large(tuple shape, object dtype, bint trans):
    order = "F" if trans else "C"
    if ours is None:
        return empty(shape, dtype, order)
    # the handler is a variable of the context: other threads and tasks have their own
    theirs = set_handler(ours)
    try:
        if theirs is default:
            return empty(shape, dtype, order)
    finally:
        set_handler(theirs)
    # the user has set one, for every array
    return empty(shape, dtype, order)


def kept():
    """Return how many blocks are kept, and how many bytes are in them."""
    return count, total


def release():
    """Give all that is kept back to NumPy's own allocator."""
    _release()


# ------------------------------------------------------------------------------------------- blocks

cdef Block *_make(size_t size) noexcept:
    cdef:
        char *memory = NULL
        Block *block
        unsigned int line
    if size < <size_t> -1 - BESIDE:
        memory = <char *> source.malloc(source.context, size + BESIDE)
    if memory == NULL:
        return NULL
    # Where several arrays begin at the same place of a page, a load of one may wait for a store to
    # another: a processor compares but twelve bits of their addresses. So the number of the page,
    # mixed by the golden ratio, decides which of its 64 lines is the first.
    line = <unsigned int> (<size_t> memory // (PAGE * LINE)) * <unsigned int> 2654435769 >> 26
    block = <Block *> (memory + (line + 1) * LINE - <size_t> memory % LINE)
    block.memory = memory
    block.size = size
    return block


cdef void _end(Block *block) noexcept:
    allow(<char *> block + LINE, block.size)
    source.free(source.context, block.memory, block.size + BESIDE)


cdef Block *_remove(int i) noexcept:
    global count, total
    cdef Block *block = blocks[i]
    count -= 1
    total -= block.size
    memmove(&blocks[i], &blocks[i + 1], (count - i) * sizeof(Block *))
    return block


cdef Block *_take(size_t size) noexcept:
    # the last that came of those that are as large, or at most an eighth larger; or NULL
    cdef:
        Block *block = NULL
        int i
    if not enter(&in_use):
        return NULL
    for i in range(count - 1, -1, -1):
        if size <= blocks[i].size <= size + size // 8:
            block = _remove(i)
            break
    leave(&in_use)
    return block


cdef void _keep(Block *block) noexcept:
    # until later ones take its room
    global count, total
    if block.size < LARGE or block.size > MOST or not enter(&in_use):
        _end(block)
        return
    while count == BLOCKS or total + block.size > MOST:
        _end(_remove(0))
    forbid(<char *> block + LINE, block.size)
    blocks[count] = block
    count += 1
    total += block.size
    leave(&in_use)


cdef void _release() noexcept:
    if enter(&in_use):
        while count:
            _end(_remove(count - 1))
        leave(&in_use)


# --------------------------------------------------------------------------------- what NumPy calls

cdef void *_malloc(void *context, size_t size) noexcept:
    cdef Block *block = _take(size)
    if block == NULL:
        block = _make(size)
    if block == NULL:
        # what is kept may be what is missing
        _release()
        block = _make(size)
        if block == NULL:
            return NULL
    block.used = size
    forbid(<char *> block + LINE, block.size)
    allow(<char *> block + LINE, size)
    return <char *> block + LINE


cdef void _free(void *context, void *data, size_t size) noexcept:
    if data != NULL:
        _keep(<Block *> (<char *> data - LINE))


cdef void *_calloc(void *context, size_t many, size_t size) noexcept:
    cdef void *data
    if size and many > <size_t> -1 // size:
        return NULL
    data = _malloc(context, many * size)
    if data != NULL:
        memset(data, 0, many * size)
    return data


cdef void *_realloc(void *context, void *data, size_t size) noexcept:
    cdef void *other = _malloc(context, size)
    if other != NULL and data != NULL:
        memcpy(other, data, min(size, (<Block *> (<char *> data - LINE)).used))
        _free(context, data, 0)
    return other


def _begin():
    """Meet NumPy: its functions stand in a table, whose places are those of its ABI."""
    global ours, default, source, set_handler
    cdef:
        void **table
        unsigned int abi
        Handler *theirs
    capsule = getattr(multiarray, "_ARRAY_API", None)
    if not PyCapsule_IsValid(capsule, NULL):
        return
    table = <void **> PyCapsule_GetPointer(capsule, NULL)
    abi = (<unsigned int (*)() noexcept> table[0])()
    if abi != 0x01000009 and abi != 0x02000000:  # those of NumPy 1 and 2
        return
    default = <object> (<PyObject **> table[306])[0]
    theirs = <Handler *> PyCapsule_GetPointer(default, "mem_handler")
    if theirs.version != 1:
        return
    source = &theirs.allocator
    set_handler = <SetHandler> table[304]
    strcpy(handler.name, "fastdnn")
    handler.version = 1
    handler.allocator = Allocator(NULL, _malloc, _calloc, _realloc, _free)
    ours = PyCapsule_New(&handler, "mem_handler", NULL)


_begin()
