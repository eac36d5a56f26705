"""What subclasses override: scikit-learn's hooks, called as there or refused."""

import numpy as np
import pytest
from perceptrons import (
    DTYPES,
    assert_alike,
    data,
    ours,
    quietly,
    theirs,
)


def drawing(base):
    class Drawing(base):
        seen = ()

        def _init_coef(self, fan_in, fan_out, dtype):
            self.seen = (*self.seen, (fan_in, fan_out, np.dtype(dtype).name))
            W, b = super()._init_coef(fan_in, fan_out, dtype)
            return W * 2, np.zeros_like(b)

    return Drawing


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["logistic", "relu"])
def test_init_coef_is_called_as_in_scikit_learn(activation, dtype):
    X, y = data("multiclass", dtype)
    options = {"hidden_layer_sizes": (7, 4), "random_state": 2, "max_iter": 3}
    one, other = (
        quietly(drawing(m.MLPClassifier)(**options, activation=activation).fit, X, y)
        for m in (ours, theirs)
    )
    assert one.seen == other.seen == ((6, 7, dtype), (7, 4, dtype), (4, 3, dtype))
    assert_alike(one, other, X, y, {"float32": 1e-4, "float64": 1e-9}[dtype])
    # a warm start draws no weights
    quietly(one.set_params(warm_start=True).fit, X, y)
    assert len(one.seen) == 3


def test_init_coef_may_return_what_it_likes_of_its_shape():
    class Wide(ours.MLPRegressor):
        def _init_coef(self, fan_in, fan_out, dtype):
            W = np.ones((fan_in, fan_out), order="F")
            W.flags.writeable = False
            return W, [0] * fan_out

    X, y = data("number", "float32")
    est = quietly(Wide(hidden_layer_sizes=3, max_iter=1).fit, X, y)
    assert est.coefs_[0].dtype == "float64"

    class Wrong(ours.MLPRegressor):
        def _init_coef(self, fan_in, fan_out, dtype):
            return np.ones((fan_out, fan_in)), np.zeros(fan_out)

    with pytest.raises(ValueError, match=r"_init_coef must return arrays of shapes \(6, 3\)"):
        Wrong(hidden_layer_sizes=3).fit(X, y)


METHOD = ("MLPClassifier", "partial_fit")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "name",
    [
        *("_initialize", "_backprop", "_compute_loss_grad", "_update_no_improvement_count"),
        *("_forward_pass", "_loss_grad_lbfgs", "_unpack", "_fit_stochastic", "_fit_lbfgs"),
    ],
)
@pytest.mark.parametrize("cls", ["MLPClassifier", "MLPRegressor"])
def test_hooks_that_cannot_be_called_are_refused(cls, name, method):
    X, y = data("binary" if cls == "MLPClassifier" else "number")
    base = getattr(ours, cls)
    own = type("Own", (base,), {name: lambda self, *arguments: None})
    mixed = type("Mixed", (type("Mixin", (), {name: getattr(own, name)}), base), {})
    one = base()
    setattr(one, name, print)
    for est in (own(), mixed(), one):
        classes = {"classes": ["no", "yes"]} if (cls, method) == METHOD else {}
        with pytest.raises(TypeError, match=f"overrides {name}"):
            getattr(est, method)(X, y, **classes)


def test_other_methods_are_overridden_as_ever():
    calls = []

    class Own(ours.MLPClassifier):
        def _fit(self, X, y, sample_weight=None, incremental=False):
            calls.append("fit")
            return super()._fit(X, y, sample_weight, incremental)

        def _validate_input(self, X, y, incremental, reset):
            calls.append("validate")
            return super()._validate_input(X, y, incremental, reset)

        def _forward_pass_fast(self, X, check_input=True):
            calls.append("forward")
            return super()._forward_pass_fast(X, check_input)

        def _score(self, X, y, sample_weight=None):
            calls.append("score")
            return super()._score(X, y)

    X, y = data("multiclass")
    est = quietly(Own(3, max_iter=2, early_stopping=True).fit, X, y)
    est.predict(X)
    assert calls == ["fit", "validate", *["score", "forward"] * 2, "forward"]
