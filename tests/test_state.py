"""What a fit that fails leaves as it was, whose generator it draws from, and what it asks for."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from processes import run_apart

from fastdnn import Network
from fastdnn._fit import threads
from fastdnn.optimizers import SGD, Adam, RMSprop

X = np.random.default_rng(0).normal(size=(30, 40))
Y = X[:, :1] > 0


def flat(value):
    """Take a state apart into what compares."""
    if isinstance(value, dict):
        return {name: flat(part) for name, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [flat(part) for part in value]
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return value.bit_generator.state if isinstance(value, np.random.Generator) else value


# ------------------------------------------------------------------------------- fits that fail


def broken(epoch):
    raise ZeroDivisionError


FAILURES = {
    "nan": (lambda epoch: float("nan"), ValueError),
    "negative": (lambda epoch: -1.0, ValueError),
    "infinite": (lambda epoch: np.inf, ValueError),
    "text": (lambda epoch: "0.1", (TypeError, ValueError)),
    "none": (lambda epoch: None, (TypeError, ValueError)),
    "error": (broken, ZeroDivisionError),
    "diverges": (lambda epoch: 1e308, FloatingPointError),
}


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}], ids=["plain", "momentum"])
@pytest.mark.parametrize("form", ["direct", "gram"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_fit_that_fails_in_its_first_epoch_changes_nothing(failure, form, options):
    rate, error = FAILURES[failure]
    net, twin = (Network([40, 6, 1], "tanh", "identity", rng=0) for _ in range(2))
    for one in (net, twin):
        one.fit(X, Y, optimizer=Adam(0.01), epochs=3)
    before = flat(net.state_dict())
    with pytest.raises(error):
        net.fit(X, Y, optimizer=SGD(rate, **options), first_layer=form, l2=1e5)
    assert flat(net.state_dict()) == before
    assert net.fit(X, Y, epochs=2).costs == twin.fit(X, Y, epochs=2).costs


@pytest.mark.parametrize("other", [SGD(0.1, 0.9), RMSprop(0.1)])
def test_an_order_that_fails_changes_nothing(other):
    class Broken(np.random.Generator):
        left = 2

        def permutation(self, n):
            if not Broken.left:
                raise MemoryError
            Broken.left -= 1
            return super().permutation(n)

        def __deepcopy__(self, memo):
            copy = Broken(np.random.PCG64(0))
            copy.bit_generator.state = self.bit_generator.state
            return copy

    net = Network([40, 6, 1], rng=Broken(np.random.PCG64(0)))
    net.fit(X, Y, optimizer=Adam(0.01), batch_size=7, epochs=2)
    before = flat(net.state_dict())
    with pytest.raises(MemoryError):
        net.fit(X, Y, optimizer=other, batch_size=7)
    assert flat(net.state_dict()) == before


def test_a_later_failure_keeps_the_epochs_before_it():
    net, twin = (Network([40, 6, 1], rng=0) for _ in range(2))
    rates = [0.1, 0.05, float("nan")]
    with pytest.raises(ValueError, match="learning_rate"):
        net.fit(X, Y, optimizer=SGD(lambda epoch: rates[epoch]), epochs=3)
    twin.fit(X, Y, optimizer=SGD(lambda epoch: rates[epoch]), epochs=2)
    for name, view in twin.parameters.items():
        np.testing.assert_array_equal(net.parameters[name], view)
    assert net.epochs == 2


# ------------------------------------------------------------------------------------ the Gram form


@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        ({"optimizer": SGD(1000.0), "l2": 1e10}, "float32"),
        ({"optimizer": SGD(1000.0, 0.9), "l2": 1e10}, "float32"),
        ({"optimizer": SGD(1000.0, 0.9, nesterov=True), "l2": 1e10}, "float32"),
        ({"optimizer": SGD(1e60), "l2": 1e50}, "float64"),
    ],
)
@pytest.mark.parametrize("init", [0.0, 0.1])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_coefficients_of_the_gram_form_that_diverge(options, dtype, init, target):
    net = Network([40, 1], output_activation="identity", init=init, dtype=dtype, rng=0)
    with pytest.raises(FloatingPointError, match="diverged"):
        net.fit(X, np.full(30, target), first_layer="gram", epochs=8, **options)
    for view in net.parameters.values():
        assert np.isfinite(view).all()


def test_weights_of_the_gram_form_that_overflow_where_their_coefficients_do_not():
    wide = np.full((2, 40), 1e18, np.float32)
    net = Network([40, 1], output_activation="identity", init=0.0, dtype="float32", rng=0)
    with pytest.raises(FloatingPointError, match="diverged"):
        net.fit(wide, np.full(2, 1e18), first_layer="gram", optimizer=SGD(1e4))
    for view in net.parameters.values():
        np.testing.assert_array_equal(view, 0)


# ------------------------------------------------------------------------------------ the generator


@pytest.mark.parametrize("shared", [True, False], ids=["given", "the process's"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_the_generator_is_locked_while_dropout_draws(name, shared):
    pytest.importorskip("sklearn")
    import fastdnn

    state = np.random.RandomState(0) if shared else None
    generator = (state or np.random.mtrand._rand)._bit_generator
    model = getattr(fastdnn, name)(
        hidden_layer_sizes=(64,), dropout=0.5, random_state=state, max_iter=20, shuffle=False,
        tol=1e9, n_iter_no_change=3,
    )  # fmt: skip
    rows = np.random.default_rng(0).normal(size=(20_000, 64))
    thread = threading.Thread(target=lambda: model.fit(rows, rows[:, 0] > 0))
    held = looks = 0
    thread.start()
    while thread.is_alive():
        free = generator.lock.acquire(blocking=False)
        if free:
            generator.lock.release()
        held += not free
        looks += 1
        thread.join(1e-4)
    assert held > looks // 4
    assert generator.lock.acquire(blocking=False)
    generator.lock.release()


def test_a_scorer_that_fits_the_estimator_again():
    pytest.importorskip("sklearn")
    run_apart("""
        import gc, warnings
        import numpy as np
        from fastdnn import MLPClassifier
        warnings.simplefilter("ignore")
        X = np.random.default_rng(0).normal(size=(300, 20))
        y = (X[:, 0] > 0).astype(int)
        within = []
        def scorer(model, X_val, y_val):
            if not within:
                within.append(True)
                try:
                    model.fit(X, y)
                except RuntimeError:
                    pass
                within.clear()
            gc.collect()
            np.random.RandomState(1).normal(size=1000)
            return 0.5
        model = MLPClassifier((16,), dropout=0.5, early_stopping=True, scoring=scorer, max_iter=20)
        model.fit(X, y)
        assert all(np.isfinite(W).all() for W in model.coefs_)
    """)


# -------------------------------------------------------------------------------------- the threads


def test_a_number_of_threads_beyond_reason_is_cut():
    seen = []
    net = Network([40, 6, 1], rng=0)
    rows = np.tile(X, (200, 1))

    def count(state):
        seen.append(len(list(Path("/proc/self/task").iterdir())))

    if Path("/proc/self/task").exists():
        before = len(list(Path("/proc/self/task").iterdir()))
        net.fit(rows, rows[:, 0] > 0, n_threads=3000, callbacks=[count])
        assert max(seen) - before < 4 * threads.processors()
    assert threads.choose(3000, 10**6, 1.0, 1) == 4 * threads.processors()
    assert len(net.predict(rows, n_threads=3000)) == len(rows)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


QUOTAS = {
    "no file": ({}, None, 2**31),
    "v2, at the root": ({"cpu.max": "150000 100000\n"}, "0::/\n", 1),
    "v2, without": ({"cpu.max": "max 100000\n"}, "0::/\n", 2**31),
    "v2, nested": ({"a/b/cpu.max": "300000 100000\n"}, "0::/a/b\n", 3),
    "v2, in a parent": (
        {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "200000 100000\n"}, "0::/a/b\n", 2,
    ),
    "v2, the least of several": (
        {"a/b/cpu.max": "800000 100000\n", "a/cpu.max": "500000 100000\n", "cpu.max": "max 1\n"},
        "0::/a/b\n", 5,
    ),
    "v2, another group's": ({"c/cpu.max": "100000 100000\n"}, "0::/a/b\n", 2**31),
    "v2, a path from outside of the container": (
        {"cpu.max": "250000 100000\n"}, "0::/system.slice/docker-1234.scope\n", 2,
    ),
    "v2, above the container": ({"cpu.max": "250000 100000\n"}, "0::/../..\n", 2),
    "v2, less than one": ({"a/cpu.max": "5000 100000\n"}, "0::/a\n", 1),
    "v1, nested": (
        {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "400000\n",
         "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n"},
        "4:memory:/z\n3:cpu,cpuacct:/a/b\n", 4,
    ),
    "v1, in a parent, by its link": (
        {"cpu/a/b/cpu.cfs_quota_us": "-1\n", "cpu/a/b/cpu.cfs_period_us": "100000\n",
         "cpu/a/cpu.cfs_quota_us": "600000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
        "3:cpuacct,cpu:/a/b\n", 6,
    ),
    "v1, of other controllers": (
        {"cpuset/a/cpu.cfs_quota_us": "100000\n", "cpuset/a/cpu.cfs_period_us": "100000\n"},
        "3:cpuset:/a\n", 2**31,
    ),
    "both": (
        {"cpu/a/cpu.cfs_quota_us": "300000\n", "cpu/a/cpu.cfs_period_us": "100000\n",
         "unified/cpu.max": "100000 100000\n"},
        "3:cpu:/a\n0::/a\n", 3,
    ),
    "nonsense": ({"cpu.max": "what ever\n", "a/cpu.max": "\n"}, "what\n0::/a\n:\n", 2**31),
    "a path with colons": ({"a:b/cpu.max": "700000 100000"}, "0::/a:b\n", 7),
}  # fmt: skip


@pytest.mark.parametrize("case", QUOTAS)
def test_quota_along_the_process_s_own_groups(case, tmp_path):
    files, own, quota = QUOTAS[case]
    for name, text in files.items():
        write(tmp_path / "cgroup" / name, text)
    if own is not None:
        write(tmp_path / "own", own)
    assert threads._quota(tmp_path / "cgroup", tmp_path / "own") == quota


@pytest.mark.skipif(
    sys.platform != "linux", reason="the C library decides how small a stack may be"
)
@pytest.mark.parametrize("level", ["base", "v3", "v4"])
def test_threads_of_small_stacks(level):
    from fastdnn._core import levels

    if level not in levels.available:
        pytest.skip("not on this processor")
    run_apart(
        """
        import os
        import threading
        import numpy as np
        import fastdnn
        from fastdnn.optimizers import SGD, Adam

        random = np.random.default_rng(0)
        failed = []

        def train():
            for dtype in ("float32", "float64"):
                X = random.normal(size=(300, 200)).astype(dtype)
                y = random.integers(0, 3, 300)
                for output, Y in (("sigmoid", y == 1), ("softmax", y), ("identity", X[:, :3])):
                    n = 1 if output == "sigmoid" else 3
                    net = fastdnn.Network([200, 64, 32, n], "gelu", output, dtype=dtype, rng=0)
                    for options in (
                        {"optimizer": SGD(0.01)}, {"optimizer": SGD(0.01), "first_layer": "gram"},
                        {"optimizer": Adam(), "batch_size": 16, "dropout": 0.1},
                        {"batch_size": 150, "n_threads": 2, "clip_norm": 1.0},
                    ):
                        net.fit(X, Y, **options)
                    for rows in (1, 5, 300):
                        net.predict(X[:rows])
                        net.predict(X[:rows], n_threads=2)
                    net.cost(X, Y)

        def course():
            X = random.normal(size=(200, 300))
            Y = random.integers(0, 2, (1, 300))
            parameters = fastdnn.initialize_parameters_deep([200, 64, 32, 1])
            for _ in range(2):
                AL, caches = fastdnn.L_model_forward(X, parameters)
                fastdnn.compute_cost(AL, Y)
                grads = fastdnn.L_model_backward(AL, Y, caches)
                parameters = fastdnn.update_parameters(parameters, grads, 0.1)
                X = np.asfortranarray(X)
            fastdnn.L_layer_model(X, Y, [200, 20, 1], num_iterations=3)
            fastdnn.two_layer_model(X, Y, (200, 20, 1), num_iterations=3)

        def guarded(act):
            try:
                act()
            except BaseException as error:
                failed.append(error)

        threading.stack_size(max(65536, os.sysconf("SC_THREAD_STACK_MIN")))
        for act in (train, course):
            thread = threading.Thread(target=guarded, args=(act,))
            thread.start()
            thread.join()
        assert not failed, failed
        """,
        FASTDNN_SIMD=level,
        OPENBLAS_NUM_THREADS="1",
    )


@pytest.mark.parametrize("first_layer", ["gram", "direct"])
@pytest.mark.parametrize("writes", [True, False])
def test_weights_that_a_callback_has_written_stay_where_it_raises(first_layer, writes):
    random = np.random.default_rng(0)
    X = random.normal(size=(20, 40))
    y = (X[:, :1] > 0).astype(float)
    net, best = Network([40, 5, 1], rng=0), {}

    def callback(state):
        if state.epoch == 1:
            best.update({key: value.copy() for key, value in net.parameters.items()})
        if state.epoch == 3:
            if writes:
                for key, value in net.parameters.items():
                    value[...] = best[key]
            raise StopIteration

    with pytest.raises(StopIteration):
        net.fit(X, y, optimizer=SGD(0.5), epochs=9, callbacks=[callback], first_layer=first_layer)
    twin = Network([40, 5, 1], rng=0)
    twin.fit(X, y, optimizer=SGD(0.5), epochs=1 if writes else 3, first_layer=first_layer)
    for key, value in twin.parameters.items():
        np.testing.assert_array_equal(net.parameters[key], value)
    assert net.epochs == 3
    net.fit(X, y, epochs=2, first_layer=first_layer)
    assert all(np.isfinite(value).all() for value in net.parameters.values())
