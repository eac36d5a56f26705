"""A network, its optimisers and its history."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import fastdnn
from fastdnn.optimizers import SGD, Adam, Cosine, CosLog

X, Y = np.ones((8, 4)), np.ones(8)
net = fastdnn.Network([4, 8, 1], "relu", rng=0)

history = net.fit(X, Y, epochs=3, batch_size=4, optimizer=SGD(0.1, momentum=0.9))
net.fit(X.tolist(), Y.tolist(), optimizer=Adam(Cosine(0.1, 10)))
net.fit(X, Y, epochs=2.5)  # wrong: arg-type, reportArgumentType
net.fit(X, Y, optimizer="adam")  # wrong: arg-type, reportArgumentType
net.fit(X, Y, optimizer=Adam(lr=0.1))  # wrong: call-arg, reportCallIssue
net.fit(X, Y, first_layer="grams")  # wrong: arg-type, reportArgumentType
net.fit(X, Y, epoch=3)  # wrong: call-arg, reportCallIssue
net.fit(X, Y, validation_data=(X, Y), keep="best", metric="errors", rate_factors={"W": 0.5})
net.fit(X, Y, optimizer=Adam(CosLog(0.1, 10)), keep="first")  # wrong: arg-type, reportArgumentType
net.fitt(X, Y)  # wrong: attr-defined, reportAttributeAccessIssue
net.epochs = 3  # wrong: misc, reportAttributeAccessIssue
fastdnn.Network(4)  # wrong: arg-type, reportArgumentType
fastdnn.Network([4, 1], rng="0")  # wrong: arg-type, reportArgumentType

assert_type(history, fastdnn.History)
assert_type(history.costs, list[float])
assert_type(net.predict(X), NDArray[Any])
assert_type(net.cost(X, Y), float)
assert_type(net.layer_dims, tuple[int, ...])
assert_type(net.parameters["W1"], NDArray[Any])
assert_type(fastdnn.Network.load("net.fastdnn"), fastdnn.Network)
history.cost  # noqa: B018  # wrong: attr-defined, reportAttributeAccessIssue


def stop(state: fastdnn.State) -> None:
    if state.history.costs[-1] < 0.1:
        state.stop()
    state.halt()  # wrong: attr-defined, reportAttributeAccessIssue


net.fit(X, Y, callbacks=[stop])
net.fit(X, Y, callbacks=stop)  # wrong: arg-type, reportArgumentType
