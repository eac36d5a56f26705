"""partial_fit and predictions on data that lies elsewhere than in memory."""

import numpy as np
import pytest
from elsewhere import KINDS, Elsewhere, placed
from processes import run_apart

pytest.importorskip("sklearn")

from fastdnn._sklearn import parts
from fastdnn.estimators import MLPClassifier, MLPRegressor

M, N = 1000, 6
ELSEWHERE = [kind for kind in KINDS if kind not in ("array", "memmap")]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    # parts of 200 rows at most, of one or two batches
    monkeypatch.setattr(parts, "BLOCK", 200 * 8 * N)


def data(kind=MLPClassifier):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(M, N))
    return X, (X[:, :3].argmax(axis=1) if kind is MLPClassifier else X[:, 0] * X[:, 1])


def assert_same(one, other):
    for a, b in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.loss_curve_ == other.loss_curve_
    assert one.t_ == other.t_


@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize("of", [MLPClassifier, MLPRegressor])
def test_a_call_is_one_of_each_part(kind, of, tmp_path):
    X, y = data(of)
    X_, y_ = placed(kind, tmp_path, X=X, y=y)
    options = {"hidden_layer_sizes": 8, "random_state": 0, "shuffle": False, "batch_size": 100}
    one, other = of(**options), of(**options)
    classes = {"classes": [0, 1, 2]} if of is MLPClassifier else {}
    weights = np.linspace(1, 2, M)
    for _ in range(2):
        for i in range(0, M, 100):
            rows = slice(i, i + 100)
            one.partial_fit(X[rows], y[rows], sample_weight=weights[rows], **classes)
        other.partial_fit(X_, y_, sample_weight=weights, **classes)
        assert_same(one, other)
    np.testing.assert_allclose(other.predict(X_), one.predict(X), rtol=1e-12)
    if of is MLPClassifier:
        np.testing.assert_allclose(other.predict_proba(X_), one.predict_proba(X), rtol=1e-12)
    assert other.score(X_, y) == pytest.approx(one.score(X, y))


def test_parts_are_shuffled():
    X, y = data()
    options = {"hidden_layer_sizes": 8, "batch_size": 100}
    one = MLPClassifier(random_state=np.random.RandomState(0), **options)
    other = MLPClassifier(random_state=np.random.RandomState(0), **options)
    for _ in range(3):
        for i in one.random_state.permutation(10):
            rows = slice(100 * i, 100 * i + 100)
            one.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        other.partial_fit(Elsewhere(X), y, classes=[0, 1, 2])
    assert_same(one, other)
    for _ in range(50):
        other.partial_fit(Elsewhere(X), y)
    assert other.score(X, y) > 0.8


def test_wrong_data_is_named():
    X, y = data()
    model = MLPClassifier()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.partial_fit(Elsewhere(X), y[1:], classes=[0, 1, 2])
    lying = Elsewhere(X, lies=lambda part: part[1:])
    model.set_params(shuffle=False)
    with pytest.raises(ValueError, match=r"X\[0:200\] must have shape \(200, 6\), got \(199, 6\)"):
        model.partial_fit(lying, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(Elsewhere(np.full_like(X, np.nan)), y, classes=[0, 1, 2])
    assert not hasattr(model, "coefs_")
    model.partial_fit(Elsewhere(X), y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="X has 5 features"):
        model.predict(Elsewhere(X[:, 1:]))


def test_ctrl_c_ends_the_call():
    run_apart(
        """
        import signal, threading, time, warnings
        import numpy as np
        from fastdnn._sklearn import parts
        from fastdnn.estimators import MLPRegressor
        parts.BLOCK = 2**20
        class Slow:
            shape, dtype = (40_000, 64), np.dtype(float)
            read = []
            def __getitem__(self, rows):
                self.read.append(rows)
                return np.random.default_rng(0).random((rows.stop - rows.start, 64))
        model = MLPRegressor(hidden_layer_sizes=(512, 512), batch_size=32)
        def press():
            while not getattr(model, "t_", 0):
                time.sleep(0.001)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        threading.Thread(target=press).start()
        warnings.simplefilter("ignore")
        try:
            model.partial_fit(Slow(), np.zeros(40_000))
        except KeyboardInterrupt:
            pass  # between two parts
        assert len(Slow.read) < 10, Slow.read
        """,
        timeout=60,
    )
