"""Layers as a user writes them, each with the shape of a sample: what every export from a trace must hold."""

import math

import numpy as np

import tinytensor as tt
from tests.custom import Branches, Residual, Scale, squareplus


@tt.elementwise
def gated(x, gate):
    return x / (1 + math.exp(-gate))


@tt.activation
def notched(x, width=0.5):
    if abs(x) < width:
        return 0
    y = math.log1p(abs(x)) - math.expm1(-abs(x))
    for _ in range(2):
        y = y * 0.5 + width
    return min(max(y, -1), math.sqrt(abs(x)) + tt.sigmoid(x))


class Made(tt.Layer):
    """A forward given as a function of x, with two arrays of parameters."""

    def __init__(self, function, features=6):
        self.function = function
        self.row = tt.normal(features, seed=1)
        self.matrix = tt.normal((features, features), seed=2)

    def forward(self, x):
        return self.function(self, x)


class Gate(tt.Layer):
    def __init__(self, features):
        self.value = tt.Linear(features, features, seed=0)
        self.gate = tt.Linear(features, features, seed=1)

    def forward(self, x):
        return gated(self.value(x), self.gate(x))


class SqueezeExcite(tt.Layer):
    """The mean of each channel decides how much of it passes."""

    def __init__(self, channels):
        self.down, self.up = tt.Linear(channels, 2, seed=3), tt.Linear(2, channels, seed=4)

    def forward(self, x):
        scale = tt.sigmoid(self.up(tt.relu(self.down(x.mean(axis=(2, 3))))))
        return x * scale.reshape(x.shape[0], -1, 1, 1)


class TwoWays(tt.Layer):
    """Two inputs, two outputs."""

    def __init__(self, features):
        self.inner = tt.Linear(features, features, seed=5)

    def forward(self, a, b):
        y = self.inner(a)
        return y + b, tt.softmax(y * b)


def made(function, shape=(6,)):
    return Made(function, shape[-1]), shape


CASES = {
    "scale": (Scale([0.5, 1, 2, 3, 4, 5]), (6,)),
    "residual": (Residual(tt.Sequential(tt.Linear(6, 6, seed=0), tt.relu)), (6,)),
    "branches": (Branches([tt.Linear(6, 3, seed=0), tt.tanh, tt.Linear(6, 2, seed=1)]), (6,)),
    "gate": (Gate(6), (6,)),
    "activation": (squareplus(b=1.5), (6,)),
    "activation with branches": (notched, (6,)),
    "squeeze and excite": (tt.Sequential(tt.Conv2d(3, 4, 3, seed=0), SqueezeExcite(4)), (3, 8, 7)),
    "where": made(lambda self, x: tt.where(x > self.row, x, 0.25 * x)),
    "where and bools": made(lambda self, x: tt.where((x > 0) & ~(x > 1) | (x < -1), x, self.row)),
    "softmax": made(lambda self, x: tt.softmax(x @ self.matrix) * tt.log_softmax(x)),
    "layer norm": made(lambda self, x: tt.LayerNorm(6)(x) + 1),
    "slices": made(lambda self, x: x[:, 1:, ::-2] * x[:, :-1, 0:3], (4, 6)),
    "indices": made(lambda self, x: x[:, 2] + x[..., None, 0, :][:, 0], (4, 6)),
    "places": made(lambda self, x: x[:, [5, 0, 0]]),
    "concatenate": made(lambda self, x: tt.concatenate([x, x * x, -x[:, :2]], axis=1)),
    "stack": made(lambda self, x: tt.stack([x, abs(x)], axis=1)),
    "reshape": made(lambda self, x: x.reshape(x.shape[0], -1) @ tt.ones((24, 2)), (4, 6)),
    "transpose": made(lambda self, x: x.transpose(0, 2, 1) @ x, (4, 6)),
    "broadcast": made(lambda self, x: x.expand_dims(1).broadcast_to((x.shape[0], 3, 6)) * 2),
    "folds": made(
        lambda self, x: x.sum(axis=1) + x.mean(axis=1) - x.max(axis=1) * x.min(axis=1) + x.prod(axis=1),
        (4, 6),
    ),
    "spread": made(lambda self, x: x.var(axis=-1, ddof=1, keepdims=True) + x.std(axis=-1, keepdims=True)),
    "positions": made(lambda self, x: x.argmax(axis=-1) * 2 + x.argmin(axis=-1)),
    "truth": made(lambda self, x: (x > 0).any(axis=-1) ^ (x > -1).all(axis=-1)),
    "elementwise": made(
        lambda self, x: tt.maximum(x, self.row) / (abs(x) + 1) - tt.minimum(x, 0.25) ** 2 + tt.exp(-abs(x))
    ),
    "cast": made(lambda self, x: (x * 4).astype("int64").astype("float32") + (x > 0).astype("float32")),
    "matmul": made(lambda self, x: x @ self.matrix.T + self.row),
    "prelu": (tt.PReLU([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), (6,)),
    "lambda": (tt.Sequential(tt.Lambda(lambda x: x * 2 + 1), tt.Linear(6, 3, seed=0)), (6,)),
    "pad": (tt.Pad(((1, 2), (0, 3)), value=0.5), (3, 5, 4)),
    "pad and cut": (tt.Pad(((1, -1), (2, 0)), "reflect"), (3, 5, 4)),
    "upsample": (tt.Upsample(scale_factor=2), (3, 5, 4)),
    "bilinear": (tt.Upsample((7, 9), mode="bilinear"), (3, 5, 4)),
    "adaptive": (tt.AdaptiveAvgPool2d((3, 2)), (3, 5, 4)),
    "adaptive, even": (tt.AdaptiveAvgPool2d((2, 2), channels_last=True), (4, 6, 3)),
    "embedding": (tt.Sequential(tt.Embedding(6, 4, seed=0), tt.Flatten(), tt.Linear(12, 2, seed=1)), (3,)),
    "channels": (tt.Sequential(tt.ChannelsLast(), tt.Conv2d(3, 2, 2, channels_last=True, seed=0),
                               tt.ChannelsFirst()), (3, 5, 4)),
    "sequences": (tt.Sequential(tt.Conv1d(3, 4, 3, padding=1, seed=0), tt.relu, tt.MaxPool1d(2),
                                tt.Flatten(), tt.Linear(16, 2, seed=1)), (3, 8)),
    "network": (tt.Sequential(tt.Conv2d(1, 4, 3, padding=1, seed=0), tt.BatchNorm(4), tt.relu,
                              tt.MaxPool2d(2),
                              Residual(tt.Sequential(tt.Conv2d(4, 4, 3, padding=1, seed=1), tt.swish)),
                              tt.GlobalAvgPool2d(), tt.Linear(4, 3, seed=2), tt.softmax), (1, 8, 8)),
}  # fmt: skip


def samples(name, count=5, dtype=np.float32):
    """Samples for a case; whole numbers for tables."""
    _, shape = CASES[name]
    rng = np.random.default_rng(0)
    if name == "embedding":
        return rng.integers(0, 6, (count, *shape)).astype(dtype)
    return rng.standard_normal((count, *shape)).astype(dtype)


def bound(model, x):
    """What two programs may differ by: 64 roundings of the largest value or product that lies between them.

    The parameters and samples of a case are below 4, and no sum of one has more than 64 terms.
    """
    y = np.asarray(model(x))
    size = 1.0 if y.dtype.kind != "f" else float(np.abs(y).max(initial=1))
    return 64 * np.finfo(np.float32).eps * max(size, 16.0)
