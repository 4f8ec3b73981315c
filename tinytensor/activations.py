"""The activations, each a scalar Python function that is compiled and vectorised.

`tt.sigmoid(x)` is the function, `tt.Sigmoid()` the layer, `tt.activations.get("sigmoid")` finds it by name.
NaN gives NaN; the ends are the limits of the formula, so nothing overflows.
"""

import math
from typing import Any

from tinytensor.errors import ArgumentError
from tinytensor.kernels.arithmetic import bounds
from tinytensor.kernels.scalar import exp_times
from tinytensor.kernels.scalar import gelu as gelu_kernel
from tinytensor.layers.activation import Activation, activation, whole_number
from tinytensor.primitives import normalization
from tinytensor.tensors import Tensor

__all__ = [
    "ELU", "GELU", "SELU", "HardSigmoid", "HardSwish", "Identity", "LeakyReLU", "LogSoftmax", "Mish",
    "ReLU", "SiLU", "Sigmoid", "Softmax", "Softplus", "Step", "Swish", "Tanh", "elu", "gelu", "get",
    "hard_sigmoid", "hard_swish", "identity", "leaky_relu", "log_softmax", "mish", "names", "relu",
    "selu", "sigmoid", "silu", "softmax", "softplus", "step", "swish", "tanh",
]  # fmt: skip

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
SQRT_8_OVER_PI = math.sqrt(8 / math.pi)
CUBIC = 0.044715 * SQRT_8_OVER_PI


@activation(class_name="Identity")
def identity(x: Any) -> Any:
    """f(x) = x. Range (-∞, ∞).

    >>> identity([1.0, -2.0]).tolist()
    [1.0, -2.0]
    """
    return x


Identity = type(identity)


@activation(class_name="Step")
def step(x: Any) -> Any:
    """h(x) = 0 if x ≤ 0 else 1. Range {0, 1}; NaN gives NaN.

    Source: Rosenblatt, The perceptron, 1958; Saitō, Deep Learning from Scratch, section 3.2.

    >>> step([-1.0, 0.0, 2.0]).tolist()
    [0.0, 0.0, 1.0]
    """
    return 0 if x <= 0 else (1 if x > 0 else x)


Step = type(step)


@activation(class_name="Sigmoid")
def sigmoid(x: Any) -> Any:
    """f(x) = 1 / (1 + e^-x) = ½(1 + tanh(x / 2)). Range [0, 1]; error at most 2 ULP.

    With e = e^-|x| it is n - n · e/(1 + e), n = e for x < 0, else 1: 1 / (1 + e^-x) is up to 2.48 ULP off,
    and 0 where e^-x overflows. Beyond ±40 the quotient is lost beside 1, and e and n · e/(1 + e) would soon
    be subnormal, where an operation takes some 100 cycles.

    Source: Saitō, Deep Learning from Scratch, section 3.2.

    >>> sigmoid([-1000.0, 0.0, 1000.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    x = 40 if x > 40 else x
    e = math.exp(-abs(x))
    n = e if x < 0 else 1
    return n - n * (0 if x < -40 else e / (1 + e))


Sigmoid = type(sigmoid)


@activation(class_name="Tanh")
def tanh(x: Any) -> Any:
    """f(x) = (e^x - e^-x) / (e^x + e^-x). Range [-1, 1]; error at most 1 ULP.

    >>> tanh([-1000.0, 0.0, 1000.0]).tolist()
    [-1.0, 0.0, 1.0]
    """
    return math.tanh(x)


Tanh = type(tanh)


@activation(class_name="ReLU")
@bounds(lambda: (0.0, math.inf))
def relu(x: Any) -> Any:
    """f(x) = max(0, x). Range [0, ∞).

    Source: Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, 2010.

    >>> relu([-1.0, 0.0, 2.0]).tolist()
    [0.0, 0.0, 2.0]
    """
    return 0 if x < 0 else x


ReLU = type(relu)


@activation(class_name="LeakyReLU")
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """f(x) = x if x ≥ 0 else negative_slope · x. Range (-∞, ∞).

    Source: Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, 2013.

    >>> leaky_relu([-2.0, 3.0], negative_slope=0.5).tolist()
    [-1.0, 3.0]
    """
    return negative_slope * x if x < 0 else x


LeakyReLU = type(leaky_relu)


@activation(class_name="ELU")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """f(x) = x if x ≥ 0 else alpha · (e^x - 1). Range [-alpha, ∞).

    Source: Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by ELUs, 2016.

    >>> elu([-1000.0, 3.0]).tolist()
    [-1.0, 3.0]
    """
    return alpha * math.expm1(-abs(x)) if x < 0 else x  # of x > 0, too, it is computed, and in range


ELU = type(elu)


@activation(class_name="SELU")
def selu(x: Any) -> Any:
    """f(x) = 1.0507 · (x if x ≥ 0 else 1.6733 · (e^x - 1)). Range [-1.7581, ∞).

    Source: Klambauer et al., Self-normalizing neural networks, 2017.

    >>> selu([0.0]).tolist()
    [0.0]
    """
    return SELU_SCALE * (SELU_ALPHA * math.expm1(-abs(x)) if x < 0 else x)


SELU = type(selu)


@activation(class_name="Swish")
def swish(x: Any, beta: float = 1.0) -> Any:
    """f(x) = x · sigmoid(beta · x). Range [-0.2785, ∞) for beta = 1, where it is also called SiLU.

    Error at most 3 ULP for beta = 1, subnormal results included.

    Source: Ramachandran, Zoph and Le, Searching for activation functions, 2017.

    >>> swish([0.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """
    return gate(x, beta * x)


Swish = SiLU = type(swish)


def gate(x: Any, u: Any) -> Any:
    """x / (1 + e^-u), as x·e^u / (1 + e^u) for u < 0; one e^v serves both. Beyond ±40 the 1 hides it."""
    v = -abs(40 if u > 40 else u)
    return (exp_times(v, x) if u < 0 else x) / (1 + exp_times(v, 0 if u < -40 else 1))


@activation(class_name="HardSigmoid")
def hard_sigmoid(x: Any) -> Any:
    """f(x) = min(max(x / 6 + ½, 0), 1). Range [0, 1].

    Source: Courbariaux, Bengio and David, BinaryConnect, 2015, with the slope of PyTorch and Keras 3.

    >>> hard_sigmoid([-3.0, 0.0, 3.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    y = x / 6 + 0.5
    return 0 if y < 0 else (1 if y > 1 else y)


HardSigmoid = type(hard_sigmoid)


@activation(class_name="HardSwish")
def hard_swish(x: Any) -> Any:
    """f(x) = x · hard_sigmoid(x). Range [-0.375, ∞).

    Source: Howard et al., Searching for MobileNetV3, 2019.

    >>> hard_swish([-3.0, 0.0, 3.0]).tolist()
    [0.0, 0.0, 3.0]
    """
    p = hard_sigmoid(x)
    return 0 if p == 0 else x * p


HardSwish = type(hard_swish)


@activation(class_name="Softplus")
def softplus(x: Any) -> Any:
    """f(x) = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), where e^-x is lost above 40. Range [0, ∞).

    Source: Dugas et al., Incorporating second-order functional knowledge, 2001.

    >>> softplus([-1000.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """
    return (0 if x < 0 else x) + math.log1p(math.exp(-abs(40 if x > 40 else x)))


Softplus = type(softplus)


@activation(class_name="Mish")
def mish(x: Any) -> Any:
    """f(x) = x · tanh(softplus(x)). Range [-0.3089, ∞); error at most 4 ULP, subnormal results included.

    With e = e^-|x| the tangent is a ratio of polynomials in e, so one exponential and one division do: below
    0 e(1 - (e² + e) / (e² + 2e + 2)), where what is subtracted hides its own error; it is lost beyond ±40.

    Source: Misra, Mish: a self regularized non-monotonic activation function, 2019.

    >>> mish([0.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """
    v = -abs(40 if x > 40 else x)
    e = exp_times(v, 0 if x < -40 else 1)
    ratio = (e * e + e if x < 0 else 1 + 2 * e) / (e * (e + 2) + 2 if x < 0 else 1 + 2 * e + 2 * e * e)
    return exp_times(v, x * (1 - ratio)) if x < 0 else x * ratio


Mish = type(mish)


def gelu_erf(x: Any) -> Any:
    """x · Φ(x)."""
    return gelu_kernel(x)


def gelu_tanh(x: Any) -> Any:
    """x · Φ(x), by the original paper's approximation of Φ: ½(1 + tanh z) is 1 / (1 + e^(-2z))."""
    return gate(x, x * (SQRT_8_OVER_PI + CUBIC * (x * x)))


class GELU(Activation):
    """f(x) = x · Φ(x) with Φ the normal distribution. Range [-0.17, ∞).

    Error at most 2 ULP, in the negative tail, too. In the form "tanh" at most 3 ULP for x > 0 and 3 + 6|z|
    below, z = √(2/π)(x + 0.044715 x³), whose rounding e^(2z) magnifies.

    `approximate="tanh"` takes ½(1 + tanh(√(2/π)(x + 0.044715 x³))) for Φ, as some networks were trained.

    Raises:
        ArgumentError: `approximate` is neither "none" nor "tanh".

    Source: Hendrycks and Gimpel, Gaussian error linear units, 2016.

    >>> GELU()([-1000.0, 0.0, 1000.0]).tolist()
    [-0.0, 0.0, 1000.0]
    """

    name = "gelu"

    def __init__(self, approximate: str = "none"):
        forms = {"none": gelu_erf, "tanh": gelu_tanh}
        if not isinstance(approximate, str) or approximate not in forms:
            raise ArgumentError(f'GELU(approximate={approximate!r}): expected "none" or "tanh"')
        self.approximate = approximate
        self.scalar = forms[approximate]


class Softmax(Activation):
    """softmax(a)_i = e^(a_i) / Σ_j e^(a_j) along `axis`, the maximum subtracted first. Range [0, 1].

    A row that is all -inf, holds +inf or holds NaN gives NaN throughout.

    Source: Saitō, Deep Learning from Scratch, section 3.5.

    >>> Softmax()([[1e4, 1e4]]).tolist()
    [[0.5, 0.5]]
    """

    name = "softmax"

    def __init__(self, axis: int = -1):
        self.axis = whole_number("Softmax", "axis", axis)

    def forward(self, x: Tensor) -> Tensor:
        """Rows of probabilities, same shape as x."""
        return Tensor._wrap(normalization.softmax(x._floating(), axis=self.axis))


class LogSoftmax(Activation):
    """log softmax(a)_i = (a_i - max a) - log Σ_j e^(a_j - max a) along `axis`. Range [-∞, 0].

    A row that is all -inf, holds +inf or holds NaN gives NaN throughout.

    >>> LogSoftmax()([[0.0, -1000.0]]).tolist()
    [[0.0, -1000.0]]
    """

    name = "log_softmax"

    def __init__(self, axis: int = -1):
        self.axis = whole_number("LogSoftmax", "axis", axis)

    def forward(self, x: Tensor) -> Tensor:
        """Rows of logarithms of probabilities, same shape as x."""
        return Tensor._wrap(normalization.log_softmax(x._floating(), axis=self.axis))


gelu, softmax, log_softmax = GELU(), Softmax(), LogSoftmax()
silu = swish
BY_NAME = {each.name: each for each in map(globals().get, __all__) if isinstance(each, Activation)}


def names() -> list[str]:
    """The names that `get` takes, in alphabetical order.

    >>> names()[:3]
    ['elu', 'gelu', 'hard_sigmoid']
    """
    return sorted(BY_NAME)


def get(name: str, **parameters: Any) -> Activation:
    """The activation of that name, whatever its case and underscores: "leaky_relu", "LeakyReLU", "SiLU".

    Raises:
        ArgumentError: there is none of that name; the message lists those there are.

    >>> get("leaky_relu", negative_slope=0.2)
    LeakyReLU(negative_slope=0.2)
    """
    plain = {known.replace("_", ""): found for known, found in BY_NAME.items()} | {"silu": swish}
    found = plain.get(str(name).replace("_", "").lower())
    if found is None:
        raise ArgumentError(f"no activation is named {name!r}; there are {', '.join(names())}")
    return found(**parameters) if parameters else found
