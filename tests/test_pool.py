"""The memory of large results is used again, and of none that anybody can still see."""

import copy
import ctypes
import gc
import os
import pickle
import queue
import sys
import threading
import tracemalloc
import weakref
from contextlib import suppress

import numpy as np
import pytest
from processes import run_apart

import fastdnn
from fastdnn._core import pool

try:
    from numpy._core import multiarray
except ImportError:  # NumPy 1
    from numpy.core import multiarray

LARGE = (257, 128)  # over 128 kB in float32, too
MOST = 64 << 20


def ones(shape=LARGE, dtype=np.float64, value=1.0):
    return np.full(shape, value, dtype)


def large(value, shape=LARGE, dtype=np.float64):
    """Make a result that holds one value."""
    return fastdnn.relu(ones(shape, dtype, value))[0]


def address(array):
    return array.__array_interface__["data"][0]


@pytest.fixture(autouse=True)
def emptied():
    pool.release()
    yield
    pool.release()


# ------------------------------------------------------------------------------ what a result is


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_result_is_an_ordinary_array(dtype, order):
    Z = np.random.default_rng(0).standard_normal(LARGE).astype(dtype, order=order)
    for _ in range(3):
        A = fastdnn.relu(Z)[0]
        np.testing.assert_array_equal(A, np.maximum(Z, 0))
        assert type(A) is np.ndarray
        assert A.dtype == dtype
        assert A.base is None
        assert A.flags.owndata
        assert A.flags.writeable
        assert A.flags.aligned
        assert A.flags[f"{order}_CONTIGUOUS"]
        assert address(A) % 64 == 0
        for twin in (pickle.loads(pickle.dumps(A, 5)), copy.deepcopy(A), A.copy()):
            np.testing.assert_array_equal(A, twin)
        del A


def test_a_large_result_may_be_resized():
    for rows in (1, 100, 257, 258, 1000):
        A = large(3.0)
        A.resize((rows, 128), refcheck=False)
        assert (A[:257] == 3).all()
        assert (A[257:] == 0).all()
        A[:] = 4
        assert (large(5.0) == 5).all()
        assert (A == 4).all()


def test_a_large_result_may_be_set_anew():
    A = large(3.0)
    A.__setstate__(np.arange(5.0).__reduce__()[2])
    assert (large(1.0) == 1).all()
    np.testing.assert_array_equal(A, np.arange(5.0))


def test_memory_is_used_again_and_only_for_its_size():
    A = large(1.0)
    at = address(A)
    del A
    assert pool.kept() == (1, 257 * 128 * 8)
    for shape in ((256, 128), (257, 128), (128, 257), (257, 120)):
        assert address(large(2.0, shape)) == at
    for shape in ((257, 100), (258, 128)):  # far smaller: too much would be lost
        assert address(large(2.0, shape)) != at


def test_small_results_are_numpys():
    A = fastdnn.relu(np.ones((16, 32)))[0]
    del A
    assert pool.kept() == (0, 0)


# ------------------------------------------------------------------- nobody's memory is used again


def views(A):
    """Hold the memory of an array, but not the array."""
    yield A[3:, ::2]
    yield A.T
    yield A.reshape(-1)
    yield A.view(np.uint8)
    yield memoryview(A)
    yield np.asarray(memoryview(A))
    yield np.frombuffer(A, dtype=A.dtype)
    yield np.lib.stride_tricks.as_strided(A, (5,), (A.itemsize,))
    yield (ctypes.c_char * 8).from_buffer(A)
    yield A.flat
    yield np.broadcast_to(A, (2, *A.shape))
    yield {"A": [A]}
    yield iter(A)
    yield A.__array_struct__


def seen(held):
    """Read what is held."""
    if isinstance(held, dict):
        return np.array(held["A"][0])
    if isinstance(held, np.flatiter):
        return held.base.copy()
    if isinstance(held, ctypes.Array):
        return np.frombuffer(held, np.uint8).copy()
    if not isinstance(held, (np.ndarray, memoryview)):
        return None  # to be held is its test
    return np.array(held)


@pytest.mark.parametrize("kind", range(14))
def test_a_view_holds_the_memory(kind):
    A = large(7.0)
    at = address(A)
    held = list(views(A))[kind]
    was = seen(held)
    del A
    for value in range(20):
        B = large(float(value))
        assert address(B) != at
        np.testing.assert_array_equal(B, value)
    if was is not None:
        np.testing.assert_array_equal(seen(held), was)


def test_unreachable_cycles_hold_their_memory_until_they_are_collected():
    class Holder:
        pass

    gc.disable()
    try:
        holder = Holder()
        holder.itself, holder.A = holder, large(7.0)
        seen_by = weakref.ref(holder)
        del holder
        results = [large(1.0) for _ in range(10)]
        assert (seen_by().A == 7).all()
        at = address(seen_by().A)
        assert at not in map(address, results)
    finally:
        gc.enable()
    gc.collect()
    assert seen_by() is None
    assert address(large(1.0)) == at


def test_a_dead_array_is_dead():
    ended = []
    A = large(1.0)
    weakref.finalize(A, ended.append, 1)
    del A
    assert ended == [1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_kept_of_many_steps_never_changes(dtype):
    random = np.random.default_rng(3)
    sizes = (40, 128, 200, 1)
    parameters = {
        name: (0.1 * P).astype(dtype)
        for name, P in fastdnn.initialize_parameters_deep(sizes).items()
    }
    held = []
    for _ in range(200):
        # batches of several sizes, so that blocks of several sizes come and go
        m = int(random.integers(200, 420))
        X = random.random((40, m), dtype)
        Y = (X[:1] > 0.5).astype(dtype)
        AL, caches = fastdnn.L_model_forward(X, parameters)
        grads = fastdnn.L_model_backward(AL, Y, caches)
        new = fastdnn.update_parameters(parameters, grads, 0.01)
        arrays = [AL, *grads.values(), *new.values(), *(cache[1] for cache in caches)]
        assert len({address(A) for A in arrays}) == len(arrays)
        for A in arrays:
            if random.random() < 0.02:
                view = A if random.random() < 0.5 else memoryview(A.T)
                held.append((view, A.copy() if view is A else A.T.copy()))
        random.shuffle(held)
        for view, was in held[12:]:
            np.testing.assert_array_equal(view, was)
        del held[12:], arrays, AL, caches, grads
        parameters = new
    for view, was in held:
        np.testing.assert_array_equal(view, was)


def test_results_are_the_same_in_used_and_in_fresh_memory():
    random = np.random.default_rng(0)
    X, Y = random.random((40, 500)), random.integers(0, 2, (1, 500)).astype(float)
    parameters = fastdnn.initialize_parameters_deep((40, 64, 1))

    def step():
        AL, caches = fastdnn.L_model_forward(X, parameters)
        grads = fastdnn.L_model_backward(AL, Y, caches)
        return {"AL": AL, **grads, **fastdnn.update_parameters(parameters, grads, 0.1)}

    first = step()
    dirt = [np.copyto(A, np.nan) or A for A in step().values()]
    del dirt
    assert pool.kept() > (2, 0)
    for name, A in step().items():
        np.testing.assert_array_equal(A, first[name])


# ------------------------------------------------------------------------------------- its limits


def test_what_is_kept_has_a_limit():
    for rows in range(300, 900):
        large(1.0, (rows, 128))
        blocks, size = pool.kept()
        assert blocks <= 128
        assert size <= MOST
    arrays = [large(1.0, (1100, 1024)) for _ in range(12)]
    del arrays
    blocks, size = pool.kept()
    assert blocks == MOST // (1100 * 1024 * 8)
    assert size == blocks * 1100 * 1024 * 8
    large(1.0, (1025, 8192))  # over the limit: not kept, and moves nothing out
    assert pool.kept() == (blocks, size)
    pool.release()
    assert pool.kept() == (0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="it keeps what is freed")
def test_kept_memory_makes_room_for_a_result():
    code = """
    import resource
    import numpy as np
    import fastdnn
    from fastdnn._core import pool
    Z = np.ones((1000, 1000))
    results = [fastdnn.relu(Z)[0] for _ in range(8)]
    del results
    assert pool.kept() == (8, 64_000_000)
    large = np.ones((5000, 1000))
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 20_000_000, -1))
    assert (fastdnn.relu(large)[0] == 1).all()
    assert pool.kept() == (1, 40_000_000)
    held = []
    try:
        while True:
            held.append(fastdnn.relu(Z)[0])
    except MemoryError:
        pass
    assert all((A == 1).all() for A in held)
    del held
    assert (fastdnn.relu(Z)[0] == 1).all()
    """
    run_apart(code)


def test_a_result_too_large_for_memory():
    with pytest.raises(MemoryError):
        fastdnn.relu(np.broadcast_to(1.0, (2**27, 2**27)))
    assert multiarray.get_handler_name() == "default_allocator"
    assert (large(2.0) == 2).all()


def test_tracemalloc_counts_what_is_held():
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            A = large(1.0, (1000, 1000))
            assert 8_000_000 <= tracemalloc.get_traced_memory()[0] - before < 8_100_000
            del A
            assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


# --------------------------------------------------------------------- threads, forks and handlers


def test_threads_do_not_get_each_others_results():
    results, failures = queue.SimpleQueue(), []

    def work(number):
        random = np.random.default_rng(number)
        held = []
        for step in range(400):
            value = float(1000 * number + step)
            A = large(value, (257, int(random.integers(128, 133))))
            held.append((A, value))
            if random.random() < 0.5:  # it ends in another thread
                results.put(held.pop(int(random.integers(len(held)))))
            if random.random() < 0.7 and not results.empty():
                with suppress(queue.Empty):
                    held.append(results.get_nowait())
            failures.extend(value for A, value in held if (value != A).any())
            del held[: len(held) - 5], A

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures
    while not results.empty():
        np.testing.assert_array_equal(*results.get())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_has_its_own():
    code = """
    import os, threading, warnings
    import numpy as np
    import fastdnn

    def large(value):
        return fastdnn.relu(np.full((257, 128), value))[0]

    warnings.simplefilter("ignore")
    held = [large(1.0), large(2.0)]
    freed = [large(float(k)) for k in range(10)]
    del freed
    go_on = True
    def work():
        while go_on:
            large(5.0)
    thread = threading.Thread(target=work)  # at the list while the process is forked
    thread.start()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            more = [large(float(k)) for k in range(30)]
            right = all((A == k).all() for k, A in enumerate(more))
            right &= (held[0] == 1).all() and (held[1] == 2).all()
            held[0][:] = 9
            os._exit(0 if right else 1)
        more = [large(float(k)) for k in range(30)]
        assert all((A == k).all() for k, A in enumerate(more))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (held[0] == 1).all() and (held[1] == 2).all()
    go_on = False
    thread.join()
    """
    run_apart(code)


def test_the_users_handler_of_memory_is_left_alone():
    address_of = ctypes.pythonapi.PyCapsule_GetPointer
    address_of.restype, address_of.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = (ctypes.c_void_p,) * 3
    table = (ctypes.c_void_p * 307).from_address(address_of(multiarray._ARRAY_API, None))
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[304])
    default = ctypes.py_object.from_address(table[306]).value
    # NumPy's own functions under another name
    size = 128 + 5 * ctypes.sizeof(ctypes.c_void_p)
    theirs = ctypes.create_string_buffer(
        ctypes.string_at(address_of(default, b"mem_handler"), size), size
    )
    ctypes.memmove(theirs, b"theirs\0", 7)
    name = ctypes.create_string_buffer(b"mem_handler")
    capsule = new(ctypes.addressof(theirs), ctypes.addressof(name), None)
    before = set_handler(capsule)
    try:
        A = large(1.0)
        assert multiarray.get_handler_name() == "theirs"
        assert multiarray.get_handler_name(A) == "theirs"
        del A
        assert pool.kept() == (0, 0)
    finally:
        set_handler(before)
    A = large(1.0)
    assert multiarray.get_handler_name(A) == "fastdnn"
    assert multiarray.get_handler_name() == "default_allocator"
    assert multiarray.get_handler_name(np.ones(LARGE)) == "default_allocator"
