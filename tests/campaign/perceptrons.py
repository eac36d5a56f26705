"""Calls of the estimators, beside scikit-learn's."""

import contextlib
import copy
import io
import pickle
import threading
import warnings

import numpy as np
import scipy.sparse as sparse
import sklearn.neural_network
from arrays import TYPES, given
from course import ODD_NUMBERS, ODD_SIZES
from networks import WORDS
from oracle import FaultError, Inputs, Outcome, close, finite, no_none

from fastdnn.estimators import MLPClassifier, MLPRegressor

# what scikit-learn calls them in its messages, beside the arguments' names
WORDS_FOR = (
    "X", "y", "sample", "array", "input", "features", "data", "labels", "classes", "target",
    "weights", "coefs_", "intercepts_", "params",
)  # fmt: skip
REALS = tuple(TYPES)


@contextlib.contextmanager
def quiet():
    """Hear none of scikit-learn's warnings of convergence and the like."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def ends(function, *names, theirs=None, also=()):
    """Call; a message names one of some things, or is of scikit-learn's class in its place."""
    with quiet():
        try:
            outcome = Outcome(function, also)
            if names:
                outcome.named(*names, *WORDS_FOR)
        except FaultError as fault:
            # scikit-learn decides what is refused, and in what words
            error = fault.__cause__
            right = None if theirs is None else _error_of(theirs)
            if type(right) is not type(error) and not _is_below(error, right):
                raise
            outcome = Outcome(lambda: None)
            outcome.error = error
    return outcome


def _is_below(error, right):
    return isinstance(error, (TypeError, ValueError)) and isinstance(right, (TypeError, ValueError))


def _error_of(function):
    try:
        function()
    except Exception as error:
        return error
    return None


def draw_pair(draw, **more):
    """Draw a classifier or regressor, and scikit-learn's of the same parameters."""
    classifies = draw.chance(0.6)
    options = {
        "hidden_layer_sizes": draw.pick(((4,), (3, 5), (16,), 7)),
        "activation": draw.pick(("relu", "tanh", "logistic", "identity")),
        "solver": draw.pick(("adam", "adam", "sgd", "lbfgs")),
        "alpha": draw.pick((1e-4, 0.1)), "batch_size": draw.pick(("auto", 4, 1000)),
        "max_iter": draw.pick((1, 3, 8)), "random_state": draw.whole(0, 99),
        "shuffle": draw.chance(0.7), "warm_start": draw.chance(0.3),
        "early_stopping": draw.chance(0.15), "learning_rate_init": draw.pick((0.001, 0.02)),
    } | more  # fmt: skip
    ours, theirs = (
        (MLPClassifier, sklearn.neural_network.MLPClassifier) if classifies
        else (MLPRegressor, sklearn.neural_network.MLPRegressor)
    )  # fmt: skip
    return classifies, ours(**options), theirs(**options)


def draw_y(draw, classifies, m):
    """Draw classes, or targets of one output or two."""
    if not classifies:
        return draw.normal(m) if draw.chance(0.7) else draw.normal(m, 2)
    y = draw.rng.integers(0, draw.pick((2, 2, 3)), m).astype(float)
    y[:3] = [0, 1, 0]
    return y


def _answers(ours, theirs, X, classifies):
    """Compare what two fitted estimators say."""
    digits = 1e-6
    for name in ("coefs_", "intercepts_"):
        for l, (a, b) in enumerate(zip(getattr(ours, name), getattr(theirs, name), strict=True)):
            if a.dtype == np.float64 and b.dtype == np.float64:
                close(a, b, f"{name}[{l}]", digits)
    ask = "predict_proba" if classifies else "predict"
    close(getattr(ours, ask)(X), getattr(theirs, ask)(X), ask, 1e-4)


# -------------------------------------------------------------------------------------- estimators


def estimators(draw):
    """Fit and ask, with data of every form."""
    classifies, ours, theirs = draw_pair(draw)
    m, n = draw.pick((5, 12, 40)), draw.pick((1, 3, 6))
    X, y = given(draw, draw.normal(m, n)), given(draw, draw_y(draw, classifies, m))
    givens = {"X": X, "y": y}
    fit = {}
    if draw.chance(0.2) and ours.solver != "lbfgs":
        w = given(draw, draw.rng.integers(1, 3, m).astype(float))
        if w.value is not None:
            givens["sample_weight"] = w
            fit["sample_weight"] = w.value
    inputs = Inputs(**{name: g.value for name, g in givens.items()})
    fitted = ends(
        lambda: ours.fit(X.value, y.value, **fit), *givens,
        theirs=lambda: theirs.fit(X.value, y.value, **fit),
    )  # fmt: skip
    inputs.check()
    ordinary = all(g.ordinary and g.plain is not None for g in givens.values())
    if not ordinary:
        # scikit-learn decides what is refused; what we accept has finite weights
        if fitted.error is None:
            _weights(ours)
        return
    with quiet():
        right = _error_of(lambda: theirs.fit(X.value, y.value, **fit))
    if (right is None) != (fitted.error is None):
        raise FaultError(f"fit ended with {fitted.error!r}, scikit-learn's with {right!r}")
    if right is not None:
        return
    _weights(ours)
    if ours.solver != "lbfgs":
        with quiet():
            _answers(ours, theirs, X.plain, classifies)
    other = given(draw, draw.normal(draw.pick((1, 2, 9)), n), extreme=0)
    asked = Inputs(X=other.value)
    outcome = ends(
        lambda: ours.predict(other.value), "X", theirs=lambda: theirs.predict(other.value)
    )
    asked.check()
    if outcome.error is None:
        no_none(outcome.result)


def _weights(estimator):
    for l, W in enumerate([*estimator.coefs_, *estimator.intercepts_]):
        finite(W, f"the array {l} of the weights")


# ------------------------------------------------------------------------------------- parameters


def hyperparameters(draw):
    """Fit with odd parameters; scikit-learn's are checked as it checks them."""
    classifies, ours, theirs = draw_pair(draw)
    X = draw.normal(12, 3)
    y = draw_y(draw, classifies, 12)
    names = list(ours.get_params())
    own = set(names) - set(theirs.get_params())
    changed = {}
    for name in names:
        if draw.chance(0.06):
            words = (*WORDS, "adam", "lbfgs", "auto", "adaptive", "loss", "accuracy", "poisson")
            value = draw.pick((*ODD_NUMBERS, *ODD_SIZES, *words))
            if name in ("max_iter", "max_fun", "n_iter_no_change", "hidden_layer_sizes"):
                value = draw.pick((0, -1, 1.5, None, "x", (), (0,), (3, "a"), [2.5], True))
            if name == "n_threads":
                value = draw.pick((0, -1, 1, 2, 2.0, "x", None, True, 2**40))
            if name == "verbose" and not isinstance(value, str):
                value = False
            changed[name] = value
    ours.set_params(**changed)
    with contextlib.suppress(ValueError):
        theirs.set_params(**{k: v for k, v in changed.items() if k not in own})
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        names = (*changed, "parameter")
        outcome = ends(lambda: ours.fit(X, y), *names, theirs=lambda: theirs.fit(X, y))
        if outcome.error is None:
            _weights(ours)
            ends(lambda: ours.fit(X, y))


# ---------------------------------------------------------------------------------------- assigned


def _change(draw, estimator):
    """Assign something to what was fitted."""
    other = draw.pick(("n_outputs_", "out_activation_"))
    name = draw.pick(("coefs_", "coefs_", "coefs_", "intercepts_", other))
    value = getattr(estimator, name)
    if name in ("coefs_", "intercepts_") and isinstance(value, list) and value:
        l = draw.whole(0, len(value) - 1)
        a = value[l]
        with np.errstate(all="ignore"):
            value[l] = draw.pick((
                lambda: a.T, lambda: a[:-1], lambda: a.astype("f4"), lambda: a.tolist(),
                lambda: a.astype(">f8"), lambda: np.asfortranarray(a), lambda: a * np.nan,
                lambda: np.repeat(a, 2, 0)[::2], lambda: a[None], lambda: a.astype(object),
                lambda: None, lambda: 0.5, lambda: np.ma.masked_array(a), lambda: a + 1j,
                lambda: a.astype(np.dtype("f8").newbyteorder("<")), lambda: a.astype(int),
                lambda: np.vstack([np.atleast_2d(a)] * 2), lambda: a.astype("f2"), lambda: a[:0],
                lambda: np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
            ))()  # fmt: skip
        if draw.chance(0.1):
            value.append(value[-1])
        if draw.chance(0.1):
            value.pop()
    else:
        setattr(estimator, name, draw.pick((None, 0, "identity", "softmax", [], value, 2, -1.0)))
    return name


def assigned(draw):
    """Assign to what was fitted, to parameters between warm fits, and go on."""
    more = {"early_stopping": False, "warm_start": True, "max_iter": 3}
    classifies, ours, theirs = draw_pair(draw, **more)
    X = draw.normal(20, 4)
    y = draw_y(draw, classifies, 20)
    with quiet():
        ours.fit(X, y)
    way = draw.pick(("coefs", "coefs", "params", "pickle", "partial", "hand"))
    if way == "pickle":
        twin = pickle.loads(pickle.dumps(ours)) if draw.chance(0.5) else copy.copy(ours)
        with quiet():
            ours.fit(X, y)
            twin.fit(X, y)
        for a, b in zip(ours.coefs_, twin.coefs_, strict=True):
            if not np.array_equal(a, b) and not isinstance(ours.random_state, type(None)):
                raise FaultError("a copy goes on otherwise")
        return
    theirs.__dict__.update(
        {k: copy.deepcopy(v) for k, v in vars(ours).items() if k in vars(theirs) or k[-1] == "_"}
    )
    names = ("layer", "dropout", "outputs", "output_activation")
    if way == "coefs":
        names = (_change(draw, ours), *names)
        theirs.__dict__[names[0]] = getattr(ours, names[0])
    elif way == "params":
        changes = {
            "hidden_layer_sizes": ((2,), (4, 4, 4), ()), "solver": ("adam", "sgd", "lbfgs"),
            "early_stopping": (True,), "batch_size": (1, 7), "activation": ("tanh", "relu"),
            "momentum": (0.0, 0.5), "learning_rate_init": (0.1,), "dropout": (0.3,),
        }  # fmt: skip
        some = {k: draw.pick(v) for k, v in changes.items() if draw.chance(0.3)}
        ours.set_params(**some)
        names = (*some, *names)
    elif way == "hand":
        with quiet():
            made = type(ours)(**ours.get_params())
        made.__dict__.update(vars(ours))
        ours = made
    doors = ["predict", "fit", "partial_fit", "score", "network_", "course_parameters"]
    if classifies:
        doors += ["predict_proba", "predict_log_proba"]
    for door in (draw.pick(doors), draw.pick(doors)):
        if door == "network_":
            outcome = ends(lambda: ours.network_, *names)
        elif door == "course_parameters":
            outcome = ends(lambda: ours.course_parameters(), *names)
        elif not hasattr(ours, door):
            continue
        else:
            data = (X, y) if door in ("fit", "partial_fit", "score") else (X,)
            asked = copy.deepcopy(theirs)
            outcome = ends(
                lambda door=door, data=data: getattr(ours, door)(*data), *names,
                theirs=lambda door=door, data=data, asked=asked: getattr(asked, door)(*data),
            )  # fmt: skip
        if outcome.error is None:
            no_none(outcome.result)
            if door == "fit":
                _weights(ours)


# ------------------------------------------------------------------------------------------ sparse


def _csr(draw, X):
    """Draw a sparse matrix: of any format, with duplicates, without order, or broken."""
    X = X.copy()
    X[draw.rng.random(X.shape) < 0.6] = 0
    name = draw.pick(("csr", "csc", "coo", "lil", "dok", "bsr", "duplicates", "unsorted", "zeros",
                      "long", "readonly", "int", "float32", "array", "outside", "negative",
                      "backward", "short", "nan", "bool", "rows"))  # fmt: skip
    A = sparse.csr_matrix(X)
    broken = name in ("outside", "negative", "backward", "short", "nan")
    if name in ("csc", "coo", "lil", "dok", "bsr"):
        return A.asformat(name), X, broken
    if name == "duplicates":
        A = sparse.csr_matrix(
            (np.repeat(A.data / 2, 2), np.repeat(A.indices, 2), A.indptr * 2), A.shape
        )
    elif name == "unsorted":
        for i in range(A.shape[0]):
            part = slice(A.indptr[i], A.indptr[i + 1])
            A.indices[part], A.data[part] = A.indices[part][::-1].copy(), A.data[part][::-1].copy()
        A.has_sorted_indices = False
    elif name == "zeros":
        A.data[::2] = 0
        X = A.toarray()
    elif name == "long":
        A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    elif name == "readonly":
        for part in (A.data, A.indices, A.indptr):
            part.flags.writeable = False
    elif name in ("int", "bool", "float32"):
        A = (A * 3).astype({"int": int, "bool": bool, "float32": np.float32}[name])
        X = A.toarray().astype(float)
    elif name == "array":
        A = sparse.csr_array(X)
    elif name == "rows":
        A, X = A[::2], X[::2]
    elif name == "nan" and A.nnz:
        A.data[0] = np.nan
    elif name == "outside" and A.nnz:
        A.indices[-1] = draw.pick((A.shape[1], 10**6, 2**31 - 1))
    elif name == "negative" and A.nnz:
        A.indices[-1] = -draw.whole(1, 10**6)
    elif name == "backward":
        A.indptr[1] = A.indptr[-1] + draw.pick((1, 10**6))
    elif name == "short":
        A.data = A.data[:-3]
    return A, X, broken and A.nnz > 0


def sparse_matrices(draw):
    """Fit and ask with sparse X."""
    classifies, ours, theirs = draw_pair(draw, early_stopping=False)
    m, n = draw.pick((5, 12, 40)), draw.pick((3, 6, 50))
    X, dense, broken = _csr(draw, draw.normal(m, n))
    y = draw_y(draw, classifies, dense.shape[0] if not broken else X.shape[0])
    inputs = Inputs(X=X, y=y)
    words = ("index", "ind", "NaN", "sparse")
    fitted = ends(lambda: ours.fit(X, y), *words)
    inputs.check()
    if broken:
        return
    fitted.accepted()
    _weights(ours)
    with quiet():
        if ours.solver != "lbfgs":
            theirs.fit(X, y)
            _answers(ours, theirs, X, classifies)
        close(ours.predict(X), ours.predict(X.toarray()), "predict", 1e-4)
    inputs.check()
    other, _, bad = _csr(draw, draw.normal(4, n))
    asked = ends(lambda: ours.predict(other), *words)
    if not bad:
        no_none(asked.accepted())


# ------------------------------------------------------------------------------------------ scorers


def scorers(draw):
    """Let a scorer fit again, raise, or give no number; and several threads fit at once."""
    more = {"max_iter": 4, "early_stopping": True, "random_state": draw.pick((1, None))}
    classifies, ours, _ = draw_pair(draw, **more)
    shared = np.random.RandomState(3)
    X = draw.normal(30, 4)
    y = draw_y(draw, classifies, 30)
    dropout = 0.3 if ours.solver != "lbfgs" else 0.0

    def fits(estimator, X, y):
        with contextlib.suppress(RuntimeError):
            estimator.fit(X, y)
        return 0.5

    def raises(estimator, X, y):
        raise draw.pick((ValueError("scorer"), KeyboardInterrupt(), RuntimeError("scorer")))

    def deletes(estimator, X, y):
        for name in ("coefs_", "_random_state", "_optimizer"):
            estimator.__dict__.pop(name, None)
        return 0.5

    scorer = draw.pick((
        fits, raises, deletes, lambda e, X, y: float("nan"), lambda e, X, y: None,
        lambda e, X, y: "best", lambda e, X, y: np.float32(0.3), lambda e, X, y: [0.5],
        "roc_auc", "neg_log_loss", "loss", "r2", "accuracy", "unknown",
    ))  # fmt: skip
    ours.set_params(scoring=scorer, dropout=dropout)
    if draw.chance(0.5):
        # a scorer's own errors pass through, and what scikit-learn says of one that does not fit
        also = (AttributeError,) if isinstance(scorer, str) else ()
        outcome = ends(lambda: ours.fit(X, y), also=also)
        if outcome.error is None:
            _weights(ours)
        return
    ours.set_params(early_stopping=False, scoring=None, random_state=shared)
    same = draw.chance(0.5)
    faults = []

    def fit(i):
        try:
            one = ours if same else type(ours)(**ours.get_params())
            with contextlib.suppress(RuntimeError):
                ends(lambda: one.fit(X, y))
        except BaseException as error:
            faults.append(error)

    with quiet():
        crowd = [threading.Thread(target=fit, args=(i,)) for i in range(4)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
    if faults:
        raise faults[0]
    with quiet():
        ours.fit(X, y)
    _weights(ours)
