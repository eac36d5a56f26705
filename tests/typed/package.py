"""The package's names: those that are imported when they are asked for, too."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import fastdnn
from fastdnn import nothing_here  # noqa: F401  # wrong: attr-defined, reportAttributeAccessIssue

fastdnn.nothing_there  # noqa: B018  # wrong: attr-defined, reportAttributeAccessIssue
fastdnn.Adamm()  # wrong: attr-defined, reportAttributeAccessIssue
fastdnn.optimizers.nothing()  # wrong: attr-defined, reportAttributeAccessIssue

assert_type(fastdnn.__version__, str)
assert_type(fastdnn.config(), dict[str, bool])
assert_type(fastdnn.MLPClassifier(), fastdnn.MLPClassifier)
assert_type(fastdnn.MLPRegressor(), fastdnn.MLPRegressor)
fastdnn.config(reproducible="yes")  # wrong: arg-type, reportArgumentType
fastdnn.to_c(fastdnn.Network([2, 1]), "answer")
fastdnn.to_onnx(fastdnn.Network([2, 1]))

# the course's functions
parameters = fastdnn.initialize_parameters_deep([4, 3, 1])
assert_type(parameters, dict[str, NDArray[Any]])
AL, caches = fastdnn.L_model_forward(np.ones((4, 5)), parameters)
assert_type(AL, NDArray[Any])
fastdnn.L_model_backward(AL, np.ones((1, 5)), cache=caches)  # wrong: call-arg, reportCallIssue
fastdnn.sigmoid(Y=np.ones(3))  # wrong: call-arg, reportCallIssue
