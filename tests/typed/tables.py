"""The estimators of tables: what they learn has types, what they lack is found."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from fastdnn import Network
from fastdnn.estimators import TabularMLPClassifier, TabularMLPRegressor, TabularPreprocessor

X, y = np.ones((8, 4)), np.arange(8) % 2

clf = TabularMLPClassifier((8, 4), activation=["relu", "tanh"], n_ensemble=2, calibrate=True)
reg = TabularMLPRegressor(hidden_layer_sizes=8, clip_output=True, categorical_features=[0])
TabularMLPClassifier(max_iter=2.5)  # wrong: arg-type, reportArgumentType
TabularMLPRegressor(calibrate=True)  # wrong: call-arg, reportCallIssue

assert_type(clf.fit(X, y), TabularMLPClassifier)
assert_type(reg.fit(X, y, X_val=X, y_val=y), TabularMLPRegressor)
assert_type(clf.classes_, NDArray[Any])
assert_type(clf.predict_proba(X), NDArray[Any])
assert_type(reg.predict(X), NDArray[Any])
assert_type(reg.score(X, y), float)
assert_type(reg.best_iter_, int)
assert_type(clf.validation_scores_, list[float] | None)
assert_type(clf.network_, Network)
assert_type(clf.preprocessor_.get_feature_names_out(), NDArray[Any])
reg.predict_proba(X)  # wrong: attr-defined, reportAttributeAccessIssue

prep = TabularPreprocessor(dtype="float32").set_output(transform="pandas")
assert_type(prep.fit(X), TabularPreprocessor)
prep.transforms(X)  # wrong: attr-defined, reportAttributeAccessIssue
