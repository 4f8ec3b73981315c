"""A model as its formulas, in plain loops over Python floats: one sample in, one sample out.

Every layer's formula is written here once more, from the books and not from the package.
"""

import math

from tests import naive


def logistic(x):
    """1 / (1 + e^-x) without overflow."""
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def normal(x):
    """The normal distribution."""
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


def elu(x, alpha):
    return x if x >= 0 else alpha * math.expm1(x)


def softplus(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def clipped(x, low, high):
    """As `Clip` has it where low > high, too: high."""
    return min(max(x, low), high)


def gelu(x, approximate):
    if approximate == "none":
        return x * normal(x)
    return x * logistic(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))


ELEMENTWISE = {
    "Identity": lambda x: x,
    "Step": lambda x: float(x > 0),
    "ReLU": lambda x: max(x, 0.0),
    "LeakyReLU": lambda x, negative_slope: x if x >= 0 else negative_slope * x,
    "Tanh": math.tanh,
    "Sigmoid": logistic,
    "Swish": lambda x, beta: x * logistic(beta * x),
    "ELU": elu,
    "SELU": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "Softplus": softplus,
    "Mish": lambda x: x * math.tanh(softplus(x)),
    "HardSigmoid": lambda x: clipped(x / 6 + 0.5, 0, 1),
    "HardSwish": lambda x: x * clipped(x / 6 + 0.5, 0, 1),
    "GELU": gelu,
    "CELU": lambda x, alpha: x if x >= 0 else alpha * math.expm1(x / alpha),
    "Softsign": lambda x: x / (1 + abs(x)),
    "ThresholdedReLU": lambda x, alpha: x if x > alpha else 0.0,
    "Clip": clipped,
    "ClippedLinear": lambda x, alpha, beta: clipped(alpha * x + beta, 0, 1),
    "ScaledELU": lambda x, alpha, gamma: gamma * elu(x, alpha),
}


def numbers(tensor):
    """A parameter as lists of Python floats; None stays."""
    return None if tensor is None else tensor.tolist()


def linear(layer, x):
    bias = numbers(layer.bias) or [0.0] * layer.out_features
    return [
        math.fsum([b, *(w * each for w, each in zip(row, x, strict=True))])
        for row, b in zip(numbers(layer.weight), bias, strict=True)
    ]


def perceptron(layer, x):
    return [
        float(math.fsum([b, *(w * each for w, each in zip(row, x, strict=True))]) > 0)
        for row, b in zip(numbers(layer.weights), numbers(layer.bias), strict=True)
    ]


def each(value, count):
    """A number for each feature, of a number or a Tensor."""
    return [float(value)] * count if isinstance(value, float) else numbers(value)


def rescale(layer, x):
    scale, offset = each(layer.scale, len(x)), each(layer.offset, len(x))
    return [a * s + b for a, s, b in zip(x, scale, offset, strict=True)]


def batch_norm(layer, x):
    parts = map(numbers, (layer.weight, layer.bias, layer.running_mean, layer.running_var))
    return [
        (a - mean) * w / math.sqrt(var + layer.eps) + b for a, w, b, mean, var in zip(x, *parts, strict=True)
    ]


def layer_norm(layer, x):
    mean, deviation = naive.mean(x), math.sqrt(naive.var(x) + layer.eps)
    bias = numbers(layer.bias) or [0.0] * len(x)
    return [(a - mean) / deviation * w + b for a, w, b in zip(x, numbers(layer.weight), bias, strict=True)]


def prelu(layer, x):
    slopes = numbers(layer.weight) * (len(x) // layer.weight.size)
    return [a if a >= 0 else slope * a for a, slope in zip(x, slopes, strict=True)]


LAYERS = {
    "Linear": linear, "Perceptron": perceptron, "Rescale": rescale, "BatchNorm": batch_norm,
    "LayerNorm": layer_norm, "PReLU": prelu, "Dropout": lambda layer, x: x, "Flatten": lambda layer, x: x,
    "Reshape": lambda layer, x: x, "Softmax": lambda layer, x: naive.softmax(x),
    "LogSoftmax": lambda layer, x: naive.log_softmax(x),
}  # fmt: skip


def evaluate(layer, x):
    """The layer's output for one sample, a list of floats."""
    name = type(layer).__name__
    if name == "Sequential":
        for child in layer:
            x = evaluate(child, x)
        return x
    if name in LAYERS:
        return LAYERS[name](layer, x)
    parameters = layer.config().values()
    return [ELEMENTWISE[name](value, *parameters) for value in x]
