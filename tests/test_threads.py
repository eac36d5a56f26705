"""How many threads BLAS is told to use."""

import os
import threading

import pytest

from fastdnn import _threads

threadpoolctl = pytest.importorskip("threadpoolctl")


def blas_threads():
    """Ask the OpenBLAS that SciPy links."""
    get, _ = _threads._blas()
    return get()


def test_small_products_get_one_thread():
    assert _threads.choose(None, 1000) == 1
    assert _threads.choose(3, 1000) == 3


def test_large_products_get_what_is_allowed(monkeypatch):
    with threadpoolctl.threadpool_limits(1):
        assert _threads.choose(None, 1e9) == 1
    monkeypatch.setattr(_threads, "current", lambda: 64)
    monkeypatch.setattr(_threads, "_quota", lambda: 2**31)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 5}, raising=False)
        assert _threads.choose(None, 1e9) == 3
    monkeypatch.setattr(_threads, "_quota", lambda: 1)
    assert _threads.choose(None, 1e9) == 1


def test_the_number_is_set_and_set_back():
    before = blas_threads()
    with _threads.limit(1):
        assert blas_threads() == 1
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError), _threads.limit(1):
        raise ZeroDivisionError
    assert blas_threads() == before


def test_where_calls_overlap_the_smaller_number_holds():
    before = blas_threads()
    inside, leave = threading.Event(), threading.Event()

    def other():
        with _threads.limit(1):
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    with _threads.limit(2):
        assert blas_threads() == 2
        thread.start()
        assert inside.wait(30)
        assert blas_threads() == 1
        leave.set()
        thread.join()
        assert blas_threads() == 2
    assert blas_threads() == before


@pytest.mark.parametrize(
    ("text", "quota"), [("max 100000\n", 2**31), ("150000 100000", 1), ("400000 100000", 4)]
)
def test_quota(text, quota, monkeypatch):
    monkeypatch.setattr(_threads.Path, "read_text", lambda self, encoding: text)
    assert _threads._quota.__wrapped__() == quota


def test_no_quota(monkeypatch):
    def missing(self, encoding):
        raise FileNotFoundError

    monkeypatch.setattr(_threads.Path, "read_text", missing)
    assert _threads._quota.__wrapped__() == 2**31
