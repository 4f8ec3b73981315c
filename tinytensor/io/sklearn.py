"""scikit-learn: multi-layer perceptrons, and pipelines with scalers in front of one.

An estimator is told by its class and read by its attributes, so nothing of scikit-learn is imported.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor import activations as a
from tinytensor.errors import ArgumentError, DtypeError, UnsupportedOp
from tinytensor.layers.batch_norm import BatchNorm
from tinytensor.layers.layer import Layer
from tinytensor.layers.linear import Linear
from tinytensor.layers.rescale import Rescale
from tinytensor.layers.reshape import Reshape
from tinytensor.operators import activations as other
from tinytensor.sequential import Sequential
from tinytensor.tensor import Tensor

__all__ = ["from_sklearn"]

ACTIVATIONS: dict[str, list[Layer]] = {
    "exp": [other.exponential],
    "identity": [],
    "logistic": [a.sigmoid],
    "relu": [a.relu],
    "softmax": [a.softmax],
    "tanh": [a.tanh],
}


def from_sklearn(estimator: Any) -> Sequential:
    """The model that computes what a fitted estimator's `predict_proba` or, for a regressor, `predict` does.

    Known are `MLPClassifier`, `MLPRegressor`, `StandardScaler`, `MinMaxScaler`, `MaxAbsScaler` and pipelines
    of them. A classifier's columns are in the order of its `classes_`; of two classes it has two columns, as
    `predict_proba` has, so `argmax` gives the index of the class. Weights keep their dtype, which is float64
    unless it was trained on float32.

    Raises:
        UnsupportedOp: an estimator of another kind; says which.
        ArgumentError: it is not fitted.
        DtypeError: it is no estimator of scikit-learn.
    """
    if not type(estimator).__module__.startswith("sklearn."):
        raise DtypeError(f"from_sklearn: expected an estimator of scikit-learn, got {estimator!r:.80}")
    return Sequential(*layers_of(estimator))


def layers_of(estimator: Any) -> list[Any]:
    """The layers of one estimator, in a pipeline with the names of its steps."""
    name = type(estimator).__name__
    if name == "Pipeline":
        steps = [(step, each) for step, each in estimator.steps if each not in (None, "passthrough")]
        found = [(step, layers_of(each)) for step, each in steps]
        return [
            (step, layers[0] if len(layers) == 1 else Sequential(*layers)) for step, layers in found if layers
        ]
    if name not in ESTIMATORS:
        known = ", ".join(ESTIMATORS)
        raise UnsupportedOp(f"{estimator!r:.80}: tinytensor has no such estimator; there are {known}")
    attribute, convert = ESTIMATORS[name]
    if not hasattr(estimator, attribute):
        raise ArgumentError(f"{estimator!r:.80}: not fitted yet; call its fit(X, y) before")
    return convert(estimator)


def perceptron(estimator: Any) -> list[Layer]:
    """Affine layers with an activation between them; scikit-learn keeps a weight as (in, out)."""
    weights = [
        (coef.T, intercept) for coef, intercept in zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ]
    layers: list[Layer] = []
    for weight, bias in weights[:-1]:
        layers += [linear(weight, bias), *ACTIVATIONS[estimator.activation]]
    weight, bias = weights[-1]
    single = estimator.n_outputs_ == 1
    classifier = type(estimator).__name__ == "MLPClassifier"
    if classifier and single:  # 1 - sigmoid(a) is sigmoid(-a), without the rounding of the difference
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    layers += [linear(weight, bias), *ACTIVATIONS[estimator.out_activation_]]
    return [*layers, Reshape(())] if single and not classifier else layers


def linear(weight: Any, bias: Any) -> Linear:
    """The layer of a weight (out, in) and a bias, in the dtype that they have."""
    return Linear.of(Tensor(weight, weight.dtype), Tensor(bias, bias.dtype))


def standard_scaler(scaler: Any) -> list[Layer]:
    """(x - mean) / scale: the difference comes first, as in x / scale - mean / scale digits would cancel."""
    if scaler.mean_ is None and scaler.scale_ is None:
        return []
    features = scaler.n_features_in_
    zeros, ones = np.zeros(features), np.ones(features)
    mean = scaler.mean_ if scaler.with_mean else zeros
    factor = 1 / scaler.scale_ if scaler.with_std else ones
    weight, bias, center, var = (Tensor(values, np.float64) for values in (factor, zeros, mean, ones))
    return [BatchNorm(weight, bias, center, var, eps=0.0, axis=-1)]


def min_max_scaler(scaler: Any) -> list[Layer]:
    """X · scale + min, and clipped if it is asked for."""
    low, high = scaler.feature_range
    clipped = [other.clip(low=float(low), high=float(high))] if scaler.clip else []
    return [rescale(scaler.scale_, Tensor(scaler.min_, np.float64)), *clipped]


def max_abs_scaler(scaler: Any) -> list[Layer]:
    """X / scale, and clipped if it is asked for."""
    clipped = [other.clip(low=-1.0, high=1.0)] if getattr(scaler, "clip", False) else []
    return [rescale(1 / scaler.scale_, 0.0), *clipped]


def rescale(scale: Any, offset: Any) -> Layer:
    """The layer of a factor for each feature, in float64."""
    return Rescale(Tensor(scale, np.float64), offset)


# What each has when it is fitted, and what it is then.
ESTIMATORS: dict[str, tuple[str, Callable[[Any], list[Layer]]]] = {
    "MLPClassifier": ("coefs_", perceptron),
    "MLPRegressor": ("coefs_", perceptron),
    "StandardScaler": ("n_features_in_", standard_scaler),
    "MinMaxScaler": ("scale_", min_max_scaler),
    "MaxAbsScaler": ("scale_", max_abs_scaler),
}
