"""scikit-learn: multi-layer perceptrons, linear models, and pipelines with scalers in front of one.

An estimator is told by its class and read by its attributes, so nothing of scikit-learn is imported.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor import activations as a
from tinytensor.errors import ArgumentError, DtypeError, UnsupportedOp
from tinytensor.io.sklearn_graphs import normalizer, one_hot_encoder, share
from tinytensor.layers.batch_norm import BatchNorm
from tinytensor.layers.layer import Layer
from tinytensor.layers.linear import Linear
from tinytensor.layers.rescale import Rescale
from tinytensor.layers.reshape import Reshape
from tinytensor.layers.sequential import Sequential
from tinytensor.operators import activations as other
from tinytensor.tensors import Tensor

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

    Known are multi-layer perceptrons, linear models, scalers, `PCA`, `OneHotEncoder` of numbers (categories
    that it has not seen give zeros), pipelines of them, and fitted searches (`GridSearchCV`), of which it is
    the best estimator. A classifier's columns are in the order of its `classes_`; of two classes it has two
    columns, as `predict_proba` has, so `argmax` gives the index of the class. Weights keep their dtype, which
    is float64 unless it was trained on float32.

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
    if name.endswith("SearchCV"):
        if not hasattr(estimator, "best_estimator_"):
            raise ArgumentError(
                f"{estimator!r:.80}: has no best_estimator_; call its fit(X, y) with refit=True"
            )
        return layers_of(estimator.best_estimator_)
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
    # 1 - sigmoid(a) is sigmoid(-a), without the rounding of the difference
    last = two_sided(weight, bias) if classifier and single else linear(weight, bias)
    layers += [last, *ACTIVATIONS[estimator.out_activation_]]
    return [*layers, Reshape(())] if single and not classifier else layers


def two_sided(weight: Any, bias: Any) -> Linear:
    """The scores -s and s of two classes from the score s that scikit-learn keeps."""
    return linear(np.concatenate([-weight, weight]), np.concatenate([-bias, bias]))


def linear_classifier(estimator: Any) -> list[Layer]:
    """A score for each class, then its probability: 1 - sigmoid(s) is sigmoid(-s)."""
    classes, scores = len(estimator.classes_), linear(estimator.coef_, estimator.intercept_ + 0.0)
    if classes <= 2:
        scores = two_sided(estimator.coef_, np.broadcast_to(estimator.intercept_, estimator.coef_.shape[:1]))
    loss = getattr(estimator, "loss", "log_loss")
    if loss == "modified_huber":
        half = [other.clip(low=-1.0, high=1.0), Rescale(0.5, 0.5)]
        return [scores, *half] if classes <= 2 else [scores, *half, share(classes)]
    if loss not in ("log_loss", "log"):
        raise UnsupportedOp(f"{estimator!r:.80}: with loss={loss!r:.40} it has no predict_proba")
    several = getattr(estimator, "multi_class", "auto")
    one_by_one = several == "ovr" or hasattr(estimator, "loss") or estimator.solver == "liblinear"
    if classes <= 2:
        return [scores, a.softmax if several == "multinomial" else a.sigmoid]
    return [scores, a.sigmoid, share(classes)] if one_by_one else [scores, a.softmax]


def linear_regressor(estimator: Any) -> list[Layer]:
    """The sum of weighted features."""
    weight = np.atleast_2d(estimator.coef_)
    bias = np.broadcast_to(np.asarray(estimator.intercept_, weight.dtype), weight.shape[:1])
    layer = linear(weight, bias)
    return [layer, Reshape(())] if estimator.coef_.ndim == 1 else [layer]


def pca(estimator: Any) -> list[Layer]:
    """The projection of (x - mean) on the components, each divided by its deviation if whitened."""
    components = estimator.components_
    layers: list[Layer] = [linear(components, -(components @ estimator.mean_))]
    if estimator.whiten:
        scale = np.sqrt(estimator.explained_variance_)
        layers.append(rescale(1 / np.maximum(scale, np.finfo(scale.dtype).eps), 0.0))
    return layers


def linear(weight: Any, bias: Any) -> Linear:
    """The layer of a weight (out, in) and a bias, in the dtype that they have."""
    return Linear.of(Tensor(weight, weight.dtype), Tensor(bias, bias.dtype))


def standard_scaler(scaler: Any) -> list[Layer]:
    """(x - mean) / scale: the difference comes first, as in x / scale - mean / scale digits would cancel."""
    if scaler.mean_ is None and scaler.scale_ is None:
        return []
    features = scaler.n_features_in_
    mean = scaler.mean_ if scaler.with_mean else np.zeros(features)
    return centered(mean, scaler.scale_ if scaler.with_std else np.ones(features))


def robust_scaler(scaler: Any) -> list[Layer]:
    """(x - center) / scale, of medians and quantiles."""
    features = scaler.n_features_in_
    center = scaler.center_ if scaler.with_centering else np.zeros(features)
    return centered(center, scaler.scale_ if scaler.with_scaling else np.ones(features))


def centered(mean: Any, scale: Any) -> list[Layer]:
    """(x - mean) / scale."""
    zeros, ones, factor = np.zeros(len(mean)), np.ones(len(mean)), 1 / scale
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
    "LogisticRegression": ("coef_", linear_classifier),
    "SGDClassifier": ("coef_", linear_classifier),
    "LinearRegression": ("coef_", linear_regressor),
    "Ridge": ("coef_", linear_regressor),
    "StandardScaler": ("n_features_in_", standard_scaler),
    "MinMaxScaler": ("scale_", min_max_scaler),
    "MaxAbsScaler": ("scale_", max_abs_scaler),
    "RobustScaler": ("n_features_in_", robust_scaler),
    "Normalizer": ("norm", normalizer),
    "PCA": ("components_", pca),
    "OneHotEncoder": ("categories_", one_hot_encoder),
}
