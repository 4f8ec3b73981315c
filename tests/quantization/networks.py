"""Networks of every form that `tt.quantize` knows, random or by hand, and samples for them."""

import numpy as np

import tinytensor as tt


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def batch_norm(rng, n, axis=1):
    return tt.BatchNorm(
        rng.uniform(0.5, 1.5, n), normal(rng, n), normal(rng, n), rng.uniform(0.5, 2, n), axis=axis
    )


class Residual(tt.Layer):
    """y = relu(x + inner(x)), a user's."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return tt.relu(x + self.inner(x))


class Gated(tt.Layer):
    """A user's layer with a product of two values, which has no form on bytes."""

    def forward(self, x):
        return x * tt.sigmoid(x[..., ::-1])


ACTIVATIONS = (tt.relu, tt.Clip(0, 6), tt.sigmoid, tt.tanh, tt.gelu, tt.swish, tt.leaky_relu)


def dense(rng, features=20):
    """A random chain of dense layers; its samples are flat."""
    layers, n = [], features
    for _ in range(int(rng.integers(1, 4))):
        outs = int(rng.integers(1, 40))
        layers.append(tt.Linear.of(normal(rng, outs, n) / np.sqrt(n), normal(rng, outs)))
        layers += [batch_norm(rng, outs, int(rng.choice([1, -1])))] if rng.random() < 0.3 else []
        layers += [rng.choice(np.array([*ACTIVATIONS, tt.Dropout(0.5)], object))]
        if rng.random() < 0.3:
            layers.append(Residual(tt.Linear.of(normal(rng, outs, outs) / np.sqrt(outs))))
        n = outs
    layers.append(tt.Linear.of(normal(rng, 5, n) / np.sqrt(n), normal(rng, 5)))
    return tt.Sequential(*layers, *([tt.softmax] if rng.random() < 0.5 else []))


def images(rng, channels=3, size=9):
    """A random chain of layers of images."""
    last = bool(rng.random() < 0.4)
    layers, n = [], channels
    for _ in range(int(rng.integers(1, 4))):
        outs = int(rng.choice([4, 6, 17]))
        groups = n if rng.random() < 0.3 else 1
        outs = n * 2 if groups > 1 else outs
        layer = tt.Conv2d(
            n, outs, int(rng.choice([1, 3])), int(rng.choice([1, 1, 2])), padding=1, groups=groups,
            bias=normal(rng, outs), channels_last=last, seed=int(rng.integers(1000)),
        )  # fmt: skip
        layers.append(layer)
        layers += [batch_norm(rng, outs, -1 if last else 1)] if rng.random() < 0.4 else []
        layers.append(ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))])
        if rng.random() < 0.3:
            layers.append(tt.MaxPool2d(2, 1, channels_last=last))
        if rng.random() < 0.2:
            layers.append(tt.AvgPool2d(2, 1, channels_last=last))
        if rng.random() < 0.3:
            inner = tt.Conv2d(outs, outs, 3, padding=1, channels_last=last, seed=3)
            layers.append(Residual(tt.Sequential(inner, tt.relu)))
        n = outs
    if rng.random() < 0.5:
        layers.append(tt.GlobalAvgPool2d(channels_last=last))
    layers.append(tt.Flatten())
    sample = (size, size, channels) if last else (channels, size, size)
    flat = tt.Sequential(*layers)(np.zeros((1, *sample), np.float32)).shape[1]
    return tt.Sequential(*layers, tt.Linear(flat, 7, seed=5), tt.softmax), sample
