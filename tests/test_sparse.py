"""Sparse X: the same numbers as from the dense matrix, in memory for its nonzeros."""

import itertools
import subprocess
import sys
import warnings

import numpy as np
import pytest
import reference_network as reference
import scipy.sparse as sp

from fastdnn import SGD, Adam, Network, StepDecay

CLOSE = {
    "float64": {"rtol": 1e-9, "atol": 1e-11},
    "float32": {"rtol": 3e-4, "atol": 3e-5},
}
FORMS = ("plain", "int64", "unsorted", "duplicates", "explicit zeros", "csc", "coo", "lil", "array")


def matrix(m=70, n_0=90, density=0.05, dtype="float64", seed=0):
    """Make rows and columns of all kinds: the first of each are empty, one row is full."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(m, n_0)) * (random.random((m, n_0)) < density)
    X[m // 2] = random.normal(size=n_0) * (n_0 > 20)
    X[:1], X[-1:], X[:, :2] = (0, 0, 0) if m > 2 else (1, X[-1:], 0)
    return X.astype(dtype)


def as_form(X, form):
    """Make a sparse matrix whose memory is of one of FORMS."""
    if form in ("csc", "coo", "lil"):
        return sp.csr_matrix(X).asformat(form)
    A = sp.csr_matrix(X)
    data, indices, indptr = A.data, A.indices, A.indptr
    if form == "int64":
        indices, indptr = indices.astype(np.int64), indptr.astype(np.int64)
    elif form == "unsorted":
        rows = itertools.pairwise(indptr)
        order = np.concatenate([np.arange(stop - 1, start - 1, -1) for start, stop in rows])
        data, indices = data[order], indices[order]
    elif form == "duplicates":
        data, indices, indptr = np.repeat(data / 2, 2), np.repeat(indices, 2), 2 * indptr
    elif form == "explicit zeros":
        data, indices = np.append(data, [0, 0]), np.append(indices, [0, 3])
        indptr = np.append(indptr[:-1], len(data))
    B = (sp.csr_array if form == "array" else sp.csr_matrix)((data, indices, indptr), A.shape)
    assert form != "int64" or B.indices.dtype in (np.int32, np.int64)
    return B


def targets(X, n_L=3):
    return np.arange(len(X)) % n_L


def fitted(X, Y, layer_dims, options, **settings):
    net = Network(layer_dims, rng=0, **({"output_activation": "softmax"} | options))
    history = net.fit(X, Y, **({"epochs": 4, "batch_size": 16} | settings))
    return net, history


def assert_alike(X, sparse, Y, layer_dims, options, **settings):
    """Fit both forms of one matrix, and compare all that a user sees."""
    dtype = options.get("dtype", "float64")
    dense, costs = fitted(X, Y, layer_dims, options, **settings)
    net, history = fitted(sparse, Y, layer_dims, options, **settings)
    close = CLOSE[dtype]
    np.testing.assert_allclose(history.costs, costs.costs, **close)
    for name, value in net.parameters.items():
        np.testing.assert_allclose(value, dense.parameters[name], **close)
    np.testing.assert_allclose(net.predict(sparse), dense.predict(X), **close)
    np.testing.assert_allclose(net.cost(sparse, Y), dense.cost(X, Y), **close)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("optimizer", reference.OPTIMIZERS, ids=repr)
def test_optimizers(optimizer, dtype, n_threads):
    X = matrix(dtype=dtype)
    for l2, clip_norm, batch_size in itertools.product((0, 0.1), (None, 0.05), (16, None)):
        assert_alike(
            X, sp.csr_matrix(X), targets(X), [90, 11, 3], {"dtype": dtype}, optimizer=optimizer,
            l2=l2, clip_norm=clip_norm, batch_size=batch_size, n_threads=n_threads,
        )  # fmt: skip


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "softplus"])
@pytest.mark.parametrize("form", FORMS)
def test_forms(form, activation, dtype):
    X = matrix(dtype=dtype)
    options = {"activation": activation, "dtype": dtype}
    sparse = as_form(X, form)
    before = sparse.copy()
    assert_alike(X, sparse, targets(X), [90, 5, 4, 3], options, sample_weight=1.0 + targets(X))
    # never written to
    assert type(sparse) is type(before)
    if sparse.format == "csr":
        for name in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(sparse, name), getattr(before, name))


@pytest.mark.parametrize("n_1", [1, 2, 3, 4, 7, 16, 33, 100, 1030])
def test_widths(n_1):
    X = matrix(m=33)
    for n_threads in (1, 2):
        assert_alike(
            X, sp.csr_array(X), targets(X), [90, n_1, 3], {}, epochs=2, n_threads=n_threads
        )
    # a single output, above a hidden layer and without any
    for dims in ([90, n_1, 1], [90, n_1]):
        assert_alike(X, sp.csr_array(X), np.ones((33, dims[-1])), dims, {
            "output_activation": "sigmoid"}, epochs=2, batch_size=20)  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 50), (2, 1), (1, 1), (3000, 40), (40, 3000)])
@pytest.mark.parametrize("density", [0, 0.03, 0.3, 1])
def test_shapes_and_densities(shape, density):
    X = matrix(*shape, density)
    for shuffle in (False, True):
        assert_alike(
            X, sp.csr_matrix(X), targets(X), [shape[1], 6, 3], {}, epochs=2, shuffle=shuffle
        )


def test_another_type_than_the_networks():
    X = matrix(dtype="float32")
    for options, kind in itertools.product(({}, {"dtype": "float32"}), ("float64", "int16", bool)):
        A = X.astype(kind) if kind == "float64" else (X > 0).astype(kind)
        assert_alike(A, sp.csr_matrix(A), targets(X), [90, 6, 3], options)


def test_network_goes_on_and_validates():
    X, Y = matrix(), targets(matrix())
    nets = []
    for data in (X, sp.csr_matrix(X)):
        net = Network([90, 8, 3], output_activation="softmax", rng=1)
        kept = []
        for _ in range(2):
            history = net.fit(
                data, Y, optimizer=Adam(StepDecay(0.01, every=2)), batch_size=20, epochs=2,
                dropout=0.3, validation_data=(data[:30], Y[:30]), l2=0.01,
                callbacks=[lambda state, kept=kept: kept.append(state.network.predict(X))],
            )  # fmt: skip
        nets.append((net, history, kept))
    np.testing.assert_allclose(nets[0][1].validation_costs, nets[1][1].validation_costs, rtol=1e-10)
    np.testing.assert_allclose(nets[0][2], nets[1][2], rtol=1e-9)


def test_input_dropout():
    # a single weight moves by the gradient of the inputs that are kept
    X = sp.csr_matrix(np.eye(400))
    net = Network([400, 1], output_activation="identity", init=0.0, rng=0)
    net.fit(X, np.ones(400), optimizer=SGD(400.0), input_dropout=0.25)
    moved = net.parameters["W1"][0]
    assert set(np.unique(moved)) == {0.0, 1 / 0.75}
    assert 0.6 < (moved > 0).mean() < 0.9
    # teams of any size draw the same masks
    nets = [
        fitted(sp.csr_matrix(matrix()), targets(matrix()), [90, 8, 3], {}, input_dropout=0.5,
               n_threads=n)[0]
        for n in (1, 3)
    ]  # fmt: skip
    np.testing.assert_allclose(nets[0].parameters["W1"], nets[1].parameters["W1"], rtol=1e-9)


def test_weights_of_absent_features():
    X = sp.csr_matrix(([1.0] * 4, ([0, 1, 2, 3], [5, 6, 5, 6])), shape=(4, 12))
    for optimizer, moves in ((SGD(0.1), False), (Adam(), False)):
        net = Network([12, 3, 1], rng=0)
        before = net.parameters["W1"].copy()
        net.fit(X, [0, 1, 1, 0], optimizer=optimizer, epochs=3)
        changed = (net.parameters["W1"] != before).any(axis=0)
        assert not changed[[0, 4, 7, 11]].any() or moves
        net.fit(X, [0, 1, 1, 0], optimizer=optimizer, epochs=1, l2=0.5)
        assert (net.parameters["W1"] != before).any(axis=0).all()


def test_diverges_as_dense():
    X = sp.csr_matrix(matrix())
    net = Network([90, 1], output_activation="identity", rng=0)
    before = net.parameters["W1"].copy()
    with pytest.raises(FloatingPointError):
        net.fit(X, np.full(70, 1e200), optimizer=SGD(1e200), epochs=3, batch_size=10)
    np.testing.assert_array_equal(net.parameters["W1"], before)


def test_the_gram_form_needs_a_dense_matrix():
    X = matrix(m=20, n_0=400)
    net = Network([400, 3, 1], rng=0)
    with pytest.raises(ValueError, match="dense X"):
        net.fit(sp.csr_matrix(X), np.ones(20), optimizer=SGD(), first_layer="gram")
    assert_alike(X, sp.csr_matrix(X), targets(X, 2), [400, 3, 2], {}, optimizer=SGD(0.01),
                 batch_size=None)  # fmt: skip


def bad(part, change):
    X = sp.csr_matrix(matrix())
    array = getattr(X, part).copy()
    change(array)
    setattr(X, part, array)
    return X


def put(at, value):
    return lambda array: array.__setitem__(at, value)


@pytest.mark.parametrize("call", ["fit", "predict", "cost", "validation"])
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (lambda: sp.csr_matrix((70, 91)), r"shape \(m, 90\), got \(70, 91\)"),
        (lambda: sp.csr_matrix((0, 90)), "rows of .* at least 1"),
        (lambda: sp.coo_matrix((2**31, 90)).tocsc(), "rows of .* at most 2147483647"),
        (lambda: bad("indices", put(3, 90)), "90 columns, but row 1 names column 90"),
        (lambda: bad("indices", put(-1, -1)), "90 columns, but row .* names column -1"),
        (lambda: bad("indptr", put(10, 10**6)), "indptr must rise"),
        (lambda: bad("indptr", put(0, 1)), "indptr must rise"),
        (lambda: bad("indptr", put(-1, -5)), "indptr must rise"),
        (lambda: bad("indptr", put(-1, 10**6)), "indptr must rise"),
    ],
)
def test_what_does_not_fit_is_refused(X, message, call):
    X, Y = X(), targets(matrix())
    net = Network([90, 4, 3], output_activation="softmax", rng=0)
    if call == "validation":
        with pytest.raises(ValueError, match=message):
            net.fit(sp.csr_matrix(matrix()), Y, validation_data=(X, Y))
    else:
        with pytest.raises(ValueError, match=message):
            getattr(net, call)(X, *([] if call == "predict" else [Y]))


def test_indices_beyond_32_bits():
    X = sp.csr_matrix(matrix())
    X.indices = X.indices.astype(np.int64)
    X.indices[4] += 2**32
    with pytest.raises(ValueError, match="names column 429496"):
        Network([90, 4, 1]).predict(X)
    X = sp.csc_matrix(matrix())
    X.indices = X.indices.copy()
    X.indices[4] = 10**6
    with pytest.raises(ValueError, match="ind"):
        Network([90, 4, 1]).predict(X)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("form", ["plain", "csc", "duplicates", "unsorted"])
def test_what_is_not_finite_is_refused_with_its_row(form, value):
    X = matrix(density=0.3)
    row = int(np.flatnonzero(X[:, 7])[-1])
    X[row, 7] = value
    net = Network([90, 4, 1], dtype="float32", rng=0)
    with pytest.raises(ValueError, match=f"X must be finite in float32, but row {row} is not"):
        net.fit(as_form(X, form), np.ones(70))
    if value == 1e300:
        Network([90, 4, 1], activation="tanh").fit(as_form(X, form), np.ones(70))


def test_other_types_are_refused():
    for dtype in (complex, np.longdouble):
        if dtype is np.longdouble and np.dtype(dtype).itemsize == 8:
            continue
        X = sp.csr_matrix(matrix())
        X.data = X.data.astype(dtype)
        with pytest.raises(TypeError, match="real numbers"):
            Network([90, 4, 1]).predict(X)


def test_numbers_that_are_objects():
    # the nonzeros may be objects, as in a table's column
    X = sp.csr_matrix(matrix())
    net = Network([90, 4, 1], rng=0)
    expected = net.predict(X)
    X.data = X.data.astype(object)
    np.testing.assert_array_equal(net.predict(X), expected)
    X.data[3] = "a"
    with pytest.raises(TypeError, match="X"):
        net.predict(X)


def test_a_callback_that_writes_to_the_matrix():
    # the fit has indices of its own: the matrix may be sorted, and its indices spoiled, meanwhile
    X, Y = matrix(), targets(matrix())
    A = as_form(X, "unsorted")

    def write(state):
        if state.epoch == 1:
            A.sum_duplicates()
        elif state.epoch == 2:
            A.indices[:] = 2**31 - 1
            A.indptr[:] = 2**30

    net, _ = fitted(A, Y, [90, 6, 3], {}, callbacks=[write])
    expected, _ = fitted(X, Y, [90, 6, 3], {})
    np.testing.assert_allclose(net.parameters["W1"], expected.parameters["W1"], rtol=1e-9)


# ------------------------------------------------------------------------------------- estimators


def pair(name, X, Y, fit=None, **options):
    pytest.importorskip("sklearn")
    import sklearn.neural_network as theirs

    from fastdnn import estimators as ours

    found = []
    for module in (ours, theirs):
        est = getattr(module, name)(random_state=3, hidden_layer_sizes=(12, 7), **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            est.fit(X, Y, **(fit or {}))
        found.append(est)
    return found


SOLVERS = [
    {"solver": "adam"},
    {"solver": "adam", "alpha": 0.0, "shuffle": False},
    {"solver": "sgd", "learning_rate_init": 0.05},
    {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.0},
    {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.0, "alpha": 0.0},
    {"solver": "lbfgs", "alpha": 0.1},
    {"solver": "adam", "early_stopping": True},
]


@pytest.mark.parametrize("density", [0.04, 0.5])
@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("form", ["plain", "int64", "unsorted", "duplicates", "csc"])
@pytest.mark.parametrize(
    "options", SOLVERS, ids=lambda options: "-".join(map(str, options.values()))
)
def test_beside_scikit_learn(options, form, dtype, density):
    X = matrix(120, 60, density, dtype)
    Y = np.digitize(X.sum(axis=1), (-0.1, 0.1))
    sparse = as_form(X, form)
    est, ref = pair("MLPClassifier", sparse, Y, batch_size=32, max_iter=8, **options)
    close = {"float64": {"rtol": 1e-6, "atol": 1e-8}, "float32": {"rtol": 1e-3, "atol": 1e-4}}[
        dtype
    ]
    assert est.n_iter_ == ref.n_iter_
    for a, b in zip(est.coefs_ + est.intercepts_, ref.coefs_ + ref.intercepts_, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, **close)
    np.testing.assert_allclose(est.loss_, ref.loss_, **close)
    np.testing.assert_allclose(est.predict_proba(sparse), ref.predict_proba(sparse), **close)
    np.testing.assert_allclose(est.predict_proba(sparse), est.predict_proba(X), **close)
    assert est.predict_proba(sparse).dtype == ref.predict_proba(sparse).dtype


def test_partial_fit_warm_start_and_validation():
    pytest.importorskip("sklearn")
    from fastdnn.estimators import MLPClassifier

    X, Y = matrix(), targets(matrix())
    found = []
    for data in (X, sp.csr_matrix(X), sp.csc_matrix(X)):
        est = MLPClassifier((9,), random_state=0, dropout=0.2, max_iter=3, warm_start=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            est.fit(data, Y, X_val=data, y_val=Y)
            est.fit(data, Y)
        est.partial_fit(data, Y)
        found.append([est.coefs_[0], est.loss_curve_, est.network_.predict(data)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_the_estimators_refuse_indices_out_of_range():
    pytest.importorskip("sklearn")
    from fastdnn.estimators import MLPRegressor

    X = bad("indices", put(3, 90))
    with pytest.raises(ValueError, match="names column 90"):
        MLPRegressor(max_iter=2).fit(X, np.arange(70.0))
    X = sp.csc_matrix(matrix())
    X.indices = X.indices.copy()
    X.indices[4] = 10**6
    for validation in ({}, {"X_val": X, "y_val": np.arange(70.0)}):
        with pytest.raises(ValueError, match="ind"):
            MLPRegressor(max_iter=2).fit(
                matrix() if validation else X, np.arange(70.0), **validation
            )


# ----------------------------------------------------------------------------------------- memory

MEMORY = """
import resource, sys, warnings
import numpy as np, scipy.sparse as sp
m, n_0 = 4000, 60000
random = np.random.default_rng(0)
X = sp.csr_matrix((random.random(m * 20), random.integers(0, n_0, m * 20), 20 * np.arange(m + 1)),
                  shape=(m, n_0))
y = random.integers(0, 2, m)
if sys.argv[1] == "network":
    import fastdnn
    net = fastdnn.Network([n_0, 4, 1], rng=0)
    run = lambda: (net.fit(X, y, epochs=1, batch_size=int(sys.argv[2]), validation_data=(X, y)),
                   net.predict(X), net.cost(X, y))
else:
    from fastdnn.estimators import MLPClassifier
    est = MLPClassifier((4,), solver=sys.argv[1], max_iter=1, batch_size=int(sys.argv[2]))
    warnings.simplefilter("ignore")
    run = lambda: est.fit(X, y).predict_proba(X)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts in kilobytes there")
@pytest.mark.parametrize(
    "arguments",
    [("network", "200"), ("network", "4000"), ("adam", "200"), ("sgd", "4000"), ("lbfgs", "200")],
    ids="-".join,
)
def test_memory(arguments):
    if arguments[0] != "network":
        pytest.importorskip("sklearn")
    run = subprocess.run(
        [sys.executable, "-P", "-c", MEMORY, *arguments], capture_output=True, encoding="utf-8",
        check=True, timeout=120,
    )  # fmt: skip
    # X is 1 MB, the weights 2; L-BFGS keeps some thirty vectors like these. A dense X is 1900 MB, a
    # dense batch of 200 rows 96.
    assert int(run.stdout) < 90
