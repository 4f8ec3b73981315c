"""Activations that other programs' models use, beside those of `tinytensor.activations`."""

import math
from typing import Any

from tinytensor.kernels.arithmetic import bounds
from tinytensor.layers.activation import activation

__all__ = [
    "CELU", "Clip", "ClippedLinear", "Exponential", "ScaledELU", "Softsign", "ThresholdedReLU",
    "celu", "clip", "clipped_linear", "exponential", "scaled_elu", "softsign", "thresholded_relu",
]  # fmt: skip


@activation(class_name="CELU")
def celu(x: Any, alpha: float = 1.0) -> Any:
    """f(x) = x if x ≥ 0 else alpha · (e^(x / alpha) - 1). Range [-alpha, ∞).

    Source: Barron, Continuously differentiable exponential linear units, 2017.

    >>> celu([-1000.0, 3.0], alpha=2.0).tolist()
    [-2.0, 3.0]
    """
    return alpha * math.expm1(-abs(x / alpha)) if x < 0 else x


@activation(class_name="Softsign")
def softsign(x: Any) -> Any:
    """f(x) = x / (1 + |x|). Range [-1, 1].

    Source: Turian, Bergstra and Bengio, Quadratic features and deep architectures for chunking, 2009.

    >>> softsign([-1.0, 3.0]).tolist()
    [-0.5, 0.75]
    """
    return (1 if x > 0 else -1) if abs(x) == math.inf else x / (1 + abs(x))


@activation(class_name="ThresholdedReLU")
def thresholded_relu(x: Any, alpha: float = 1.0) -> Any:
    """f(x) = x if x > alpha else 0; NaN stays.

    Source: Konda, Memisevic and Krueger, Zero-bias autoencoders, 2014.

    >>> thresholded_relu([0.5, 1.0, 1.5]).tolist()
    [0.0, 0.0, 1.5]
    """
    return 0 if x <= alpha else x


@activation(class_name="Clip")
@bounds(lambda low, high: (low, high))
def clip(x: Any, low: float = 0.0, high: float = 6.0) -> Any:
    """f(x) = min(max(x, low), high); ReLU6 by default.

    >>> clip([-1.0, 3.0, 7.0]).tolist()
    [0.0, 3.0, 6.0]
    """
    y = low if x < low else x
    return high if y > high else y


@activation(class_name="ClippedLinear")
def clipped_linear(x: Any, alpha: float = 0.2, beta: float = 0.5) -> Any:
    """f(x) = min(max(alpha · x + beta, 0), 1), ONNX's HardSigmoid.

    >>> clipped_linear([-10.0, 0.0, 10.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    y = alpha * x + beta
    return 0 if y < 0 else (1 if y > 1 else y)


@activation(class_name="ScaledELU")
def scaled_elu(x: Any, alpha: float = 1.0, gamma: float = 1.0) -> Any:
    """f(x) = gamma · (x if x ≥ 0 else alpha · (e^x - 1)), ONNX's Selu.

    >>> scaled_elu([-1000.0, 3.0], alpha=2.0, gamma=0.5).tolist()
    [-1.0, 1.5]
    """
    return gamma * (alpha * math.expm1(-abs(x)) if x < 0 else x)


@activation(class_name="Exponential")
def exponential(x: Any) -> Any:
    """f(x) = e^x. Range [0, ∞).

    >>> exponential([0.0]).tolist()
    [1.0]
    """
    return math.exp(x)


CELU, Softsign, ThresholdedReLU, Clip = type(celu), type(softsign), type(thresholded_relu), type(clip)
ClippedLinear, ScaledELU, Exponential = type(clipped_linear), type(scaled_elu), type(exponential)
