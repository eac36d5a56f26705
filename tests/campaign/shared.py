"""What threads share: a network, an estimator, a generator, and the memory that is kept for all."""

import copy
import io
import pickle
import threading
import warnings

import numpy as np
from networks import OPTIMIZERS
from oracle import FaultError

import fastdnn
from fastdnn import course2

try:
    import sklearn
except ImportError:
    sklearn = None

# what a thread is told that comes while another one is at it
BUSY = ("is being trained", "is being fitted", "in the middle of an epoch")
ROUNDS = 4


def sharing(draw):
    """Let threads read at once, or write, where one does and the others are refused."""
    kinds = (_network, _estimator, _table, _generator) if sklearn else (_network, _generator)
    _quietly(draw.pick(kinds), draw, False)


def beside(draw):
    """Let threads read a network or an estimator while others train it."""
    kinds = (_network, _estimator, _table) if sklearn else (_network,)
    _quietly(draw.pick(kinds), draw, True)


def _quietly(kind, draw, mixed):
    with warnings.catch_warnings():
        # of convergence, say: the filter of all threads
        warnings.simplefilter("ignore")
        kind(draw, mixed)


def _network(draw, mixed):
    dims = [draw.pick((1, 5, 20)), draw.pick((3, 16, 40)), draw.pick((1, 3))]
    dtype = draw.pick(("float64", "float32"))
    net = fastdnn.Network(dims, output_activation="identity", dtype=dtype, rng=draw.whole(0, 99))
    m = draw.pick((1, 9, 64, 300))
    X, Y = draw.normal(m, dims[0]).astype(dtype), draw.normal(m, dims[-1]).astype(dtype)
    options = {
        "epochs": draw.pick((1, 3, 20)), "batch_size": draw.pick((None, 1, 8, 32)),
        "n_threads": draw.pick((1, 1, 2)), "optimizer": draw.pick(OPTIMIZERS),
        "dropout": draw.pick((0.0, 0.3)), "clip_norm": 1.0,
    }  # fmt: skip
    state = net.state_dict()
    readers = [
        lambda: _finite(net.predict(X)),
        lambda: _finite(net.predict(X, n_threads=2)),
        lambda: net.cost(X, Y),
        lambda: net.gradient(X, 0),
        lambda: _finite(copy.copy(net).predict(X)),
        lambda: _finite(pickle.loads(pickle.dumps(net)).predict(X)),
        net.state_dict,
        lambda: net.save(io.BytesIO(), training_state=True),
        lambda: repr(net),
    ]
    writers = [
        lambda: net.fit(X, Y, **options),
        lambda: net.fit(X, Y, **options, validation_data=(X, Y)),
        lambda: net.fit(X, Y, **options, validation_data=(X, Y), keep="best"),
        lambda: net.fit(X, Y, **options, callbacks=[lambda state: state.network.epochs]),
        lambda: fastdnn.fit_many([net], X, Y, epochs=2),
        lambda: net.load_state_dict(state),
    ]
    _at_once(draw, readers, writers, mixed)
    _finite(net.predict(X))


def _estimator(draw, mixed):
    kind = draw.pick((fastdnn.MLPClassifier, fastdnn.MLPRegressor))
    X = draw.normal(draw.pick((30, 120)), 4)
    y = (X[:, 0] > 0).astype(int)
    solver = draw.pick(("adam", "sgd", "lbfgs"))
    est = kind(
        hidden_layer_sizes=(draw.pick((3, 20)),), solver=solver, max_iter=draw.pick((2, 8)),
        batch_size=16, random_state=draw.pick((None, 0)), n_threads=draw.pick((None, 1, 2)),
    )  # fmt: skip
    est.fit(X, y)
    readers = [
        lambda: est.predict(X),
        lambda: est.score(X, y),
        lambda: est.network_.predict(X),
        lambda: sklearn.base.clone(est),
        lambda: pickle.loads(pickle.dumps(est)).predict(X),
        lambda: copy.deepcopy(est),
        est.get_params,
        lambda: repr(est),
    ]
    writers = [lambda: est.fit(X, y)]
    if solver != "lbfgs":
        writers.append(lambda: est.partial_fit(X, y))
    # a fit begins with new weights, layer by layer, and who reads meanwhile may find some of them
    refusals = (AttributeError, IndexError, ValueError) if mixed else ()
    _at_once(draw, readers, writers, mixed, refusals)
    _finite(est.fit(X, y).predict(X))


def _table(draw, mixed):
    from fastdnn import estimators

    X = draw.normal(draw.pick((30, 120)), 3)
    X[:, 2] = X[:, 2] > 0
    y = (X[:, 0] > 0).astype(int)
    est = estimators.TabularPreprocessor(categorical_features=[2])
    if draw.pick((True, True, False)):
        kind = draw.pick((estimators.TabularMLPClassifier, estimators.TabularMLPRegressor))
        est = kind(
            hidden_layer_sizes=(draw.pick((3, 20)),), max_iter=draw.pick((2, 8)), batch_size=16,
            categorical_features=[2], n_ensemble=draw.pick((1, 2)), random_state=0,
            n_threads=draw.pick((None, 1, 2)),
        )  # fmt: skip
    est.fit(X, y)
    use = "predict" if hasattr(est, "predict") else "transform"
    readers = [
        lambda: getattr(est, use)(X),
        lambda: sklearn.base.clone(est),
        lambda: getattr(pickle.loads(pickle.dumps(est)), use)(X),
        lambda: copy.deepcopy(est),
        lambda: fastdnn.save(est, io.BytesIO()),
        lambda: repr(est),
    ]
    refusals = (AttributeError, IndexError, ValueError) if mixed else ()
    _at_once(draw, readers, [lambda: est.fit(X, y)], mixed, refusals)
    _finite(getattr(est.fit(X, y), use)(X))


def _generator(draw, _mixed):
    made = draw.pick((np.random.default_rng, np.random.RandomState, np.random.PCG64))
    rng = made(draw.whole(0, 99))
    X, Y = draw.normal(40, 4), draw.normal(40, 1)
    parameters = fastdnn.initialize_parameters_deep([4, 30, 1])
    nets = [fastdnn.Network([4, n, 1], rng=rng) for n in (3, 20)]
    deeds = [
        lambda: fastdnn.Network([4, 8, 1], rng=rng).fit(X, Y > 0, batch_size=8, dropout=0.5),
        lambda: fastdnn.initialize_parameters_deep([4, 30, 1], rng=rng),
        lambda: fastdnn.L_model_forward(X.T, parameters, 0.5, rng=rng),
        lambda: fastdnn.L_model_forward(X.T, parameters, 0.5),
        lambda: fastdnn.L_model_forward(X.T, parameters, 0.5, rng=3),
        lambda: course2.random_mini_batches(X.T, Y.T, 8, rng=rng),
        lambda: fastdnn.fit_many(
            [copy.copy(net) for net in nets], X, Y > 0, batch_size=8, epochs=2, dropout=0.5
        ),
        lambda: fastdnn.L_layer_model(X.T, Y.T > 0, [4, 3, 1], num_iterations=2, keep_prob=0.5),
    ]
    if isinstance(rng, np.random.RandomState) and sklearn:
        options = {"hidden_layer_sizes": (3,), "max_iter": 4, "batch_size": 8, "random_state": rng}
        deeds += [
            lambda: fastdnn.MLPRegressor(**options).fit(X, Y[:, 0]),
            lambda: fastdnn.MLPRegressor(**options, dropout=0.5).fit(X, Y[:, 0]),
            lambda: fastdnn.MLPRegressor(**options, early_stopping=True).fit(X, Y[:, 0]),
        ]
    _at_once(draw, deeds, deeds, True)
    bits = getattr(rng, "_bit_generator", None) or getattr(rng, "bit_generator", rng)
    state = bits.state["state"]
    if not 0 <= state.get("pos", 0) <= 624:
        raise FaultError(f"the generator's position is {state['pos']}")


def _at_once(draw, readers, writers, mixed, refusals=()):
    """Let threads do some of them at once; one that another keeps from it may say so, no more."""
    for _ in range(ROUNDS):
        deeds = readers + writers if mixed else draw.pick((readers, writers))
        told = [[draw.pick(deeds) for _ in range(3)] for _ in range(draw.whole(2, 3))]
        begin, faults = threading.Barrier(len(told)), []

        def work(mine, begin=begin, faults=faults):
            begin.wait()
            for deed in mine:
                try:
                    with np.errstate(all="ignore"):
                        deed()
                except (FloatingPointError, *refusals):
                    pass
                except RuntimeError as error:
                    if not any(text in str(error) for text in BUSY):
                        faults.append(error)
                except BaseException as error:
                    faults.append(error)

        threads = [threading.Thread(target=work, args=(mine,)) for mine in told]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise FaultError(f"{type(faults[0]).__name__}: {faults[0]}") from faults[0]


def _finite(array):
    if not np.isfinite(array).all():
        raise FaultError("predictions are not finite")
