"""The estimators, and the searches: what they learn has types, what they lack is found."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from fastdnn.estimators import GridSearchCV, MLPClassifier, MLPRegressor, RandomizedSearchCV

X, y = np.ones((8, 4)), np.arange(8) % 2

clf = MLPClassifier((8, 4), solver="adam", batch_size=4, verbose="bar", activation=["relu", "tanh"])
reg = MLPRegressor("huber", np.array([8]), learning_rate="adaptive", solver="sgd")
MLPClassifier(solver="adamm")  # wrong: arg-type, reportArgumentType
MLPRegressor(learning_rate="constnat")  # wrong: arg-type, reportArgumentType
MLPClassifier(max_iter=2.5)  # wrong: arg-type, reportArgumentType
MLPClassifier(batch_size="all")  # wrong: arg-type, reportArgumentType
MLPClassifier(max_iters=3)  # wrong: call-arg, reportCallIssue
MLPRegressor(class_weight="balanced")  # wrong: call-arg, reportCallIssue

assert_type(clf.fit(X, y), MLPClassifier)
assert_type(reg.partial_fit(X, y), MLPRegressor)
clf.fitt(X)  # wrong: attr-defined, reportAttributeAccessIssue
clf.fit(X)  # wrong: call-arg, reportCallIssue
clf.fit(X, y, sample_weigth=y)  # wrong: call-arg, reportCallIssue
reg.predict_proba(X)  # wrong: attr-defined, reportAttributeAccessIssue
reg.classes_  # noqa: B018  # wrong: attr-defined, reportAttributeAccessIssue
clf.losscurve_  # noqa: B018  # wrong: attr-defined, reportAttributeAccessIssue

assert_type(clf.coefs_, list[NDArray[Any]])
assert_type(clf.intercepts_, list[NDArray[Any]])
assert_type(clf.classes_, NDArray[Any])
assert_type(clf.loss_, float)
assert_type(clf.loss_curve_, list[float])
assert_type(reg.validation_loss_curve_, list[float] | None)
assert_type(reg.validation_scores_, list[float] | None)
assert_type(reg.best_loss_, float | None)
assert_type(reg.n_iter_, int)
assert_type(reg.n_features_in_, int)
assert_type(reg.n_threads, int | None)
assert_type(clf.network_.predict(X), NDArray[Any])

assert_type(clf.predict(X), NDArray[Any])
assert_type(clf.predict_proba(X), NDArray[Any])
assert_type(reg.score(X, y), float)
assert_type(clf.get_params(), dict[str, Any])
assert_type(clf.set_params(alpha=0.1), MLPClassifier)
assert_type(reg.set_fit_request(sample_weight=True), MLPRegressor)
assert_type(MLPClassifier.from_sklearn(clf.to_sklearn()), MLPClassifier)

search = GridSearchCV(clf, {"alpha": [0.1, 1.0]}, cv=3).fit(X, y)
assert_type(search, GridSearchCV)
assert_type(search.best_params_, dict[str, Any])
assert_type(search.best_score_, float)
GridSearchCV(clf, {"alpha": [0.1]}, n_job=2)  # wrong: call-arg, reportCallIssue
search.best_param_  # noqa: B018  # wrong: attr-defined, reportAttributeAccessIssue
assert_type(RandomizedSearchCV(reg, {"alpha": [0.1]}, n_iter=3).predict(X), NDArray[Any])
