"""The threads of a call."""

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from fastdnn._core import workers
from fastdnn._fit import threads

threadpoolctl = pytest.importorskip("threadpoolctl")
needs_blas_threads = pytest.mark.skipif(
    not workers.sets_threads(), reason="the threads of this BLAS cannot be set"
)


def blas_threads():
    """Ask the BLAS that SciPy links; one that cannot be asked counts as one thread."""
    get, _ = workers._find_blas()
    return ctypes.CFUNCTYPE(ctypes.c_int)(get)() if get else 1


def choose(work, rows=10_000, n_threads=None):
    """Choose where a thread is repaid by 1000 multiplications."""
    return threads.choose(n_threads, rows, work, 1000)


def test_little_work_gets_one_thread(monkeypatch):
    monkeypatch.setattr(threads, "current", lambda: 64)
    monkeypatch.setattr(threads, "processors", lambda: 64)
    assert choose(1999) == 1
    assert choose(3000) == 3
    assert choose(1e9, rows=31) == 1
    assert choose(1e9, rows=48) == 3


def test_a_number_given_is_taken_but_for_more_than_examples():
    assert choose(1, n_threads=3) == 3
    assert choose(1, rows=2, n_threads=3) == 2


def test_much_work_gets_what_is_allowed(monkeypatch):
    with threadpoolctl.threadpool_limits(1):
        assert choose(1e9) == 1
    monkeypatch.setattr(threads, "current", lambda: 64)
    monkeypatch.setattr(threads, "_quota", lambda: 2**31)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 5}, raising=False)
        assert choose(1e9) == 3
    monkeypatch.setattr(threads, "_quota", lambda: 1)
    assert choose(1e9) == 1


@needs_blas_threads
def test_blas_has_one_thread_while_a_team_works():
    with threadpoolctl.threadpool_limits(2):
        with threads.Team(1), threads.Team(2):
            assert blas_threads() == 1
            assert threads.current() == 2
        assert blas_threads() == 2
        with pytest.raises(ZeroDivisionError), threads.Team(1):
            raise ZeroDivisionError
        assert blas_threads() == 2


@needs_blas_threads
def test_teams_in_two_threads_overlap():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with threads.Team(1):
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    with threadpoolctl.threadpool_limits(2):
        with threads.Team(2):
            thread.start()
            assert inside.wait(30)
        assert blas_threads() == 1
        leave.set()
        thread.join()
        assert blas_threads() == 2


def test_a_team_runs_at_once_and_shares_evenly():
    meet = threading.Barrier(3, timeout=30)
    with threads.Team(3) as team:
        assert team.run(lambda i: (meet.wait(), i)[1], meet.abort) == [0, 1, 2]
        assert team.share(10, lambda first, stop: (first, stop)) == [(0, 3), (3, 6), (6, 10)]


def test_a_team_whose_first_thread_fails_lets_the_others_go():
    meet = threading.Barrier(2, timeout=30)

    def task(i):
        if i == 0:
            raise KeyboardInterrupt
        with pytest.raises(threading.BrokenBarrierError):
            meet.wait()

    with pytest.raises(KeyboardInterrupt), threads.Team(2) as team:
        team.run(task, meet.abort)


def test_an_interrupt_does_not_end_the_call_before_the_others():
    ended = []

    def task(i):
        if i == 0:
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.2)
        ended.append(i)

    with pytest.raises(KeyboardInterrupt), threads.Team(3) as team:
        team.run(task, lambda: None)
    assert sorted(ended) == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_goes_on_with_its_parent_s_team():
    with threads.Team(3) as team:
        assert team.run(lambda i: i, lambda: None) == [0, 1, 2]
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            good = team.run(lambda i: i, lambda: None) == [0, 1, 2]
            team.__exit__()
            os._exit(0 if good and blas_threads() == threads.current() else 3)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_thread_that_outlives_the_main_one_goes_on():
    code = """
        import threading, time
        from fastdnn._fit import threads
        def late():
            time.sleep(0.5)
            with threads.Team(2) as team:
                print(team.run(lambda i: i, lambda: None))
        threading.Thread(target=late).start()
    """
    run = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code)], timeout=60, capture_output=True
    )
    # Python 3.12 and later start no thread then
    assert run.stdout.strip() in {b"[0, 1]", b"[0]"}, run.stderr


def test_an_error_of_another_thread_is_raised():
    def task(i):
        return 1 / (1 - i)

    with pytest.raises(ZeroDivisionError), threads.Team(2) as team:
        team.run(task, lambda: None)


@pytest.mark.parametrize(
    ("text", "quota"), [("max 100000\n", 2**31), ("150000 100000", 1), ("400000 100000", 4)]
)
def test_quota(text, quota, monkeypatch):
    monkeypatch.setattr(threads.Path, "read_text", lambda self, encoding: text)
    assert threads._quota.__wrapped__() == quota


def test_no_quota(monkeypatch):
    def missing(self, encoding):
        raise FileNotFoundError

    monkeypatch.setattr(threads.Path, "read_text", missing)
    assert threads._quota.__wrapped__() == 2**31
