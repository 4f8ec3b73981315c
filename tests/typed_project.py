"""What a user writes who checks types: mypy checks it with the package, `test_typed_project` runs it."""

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import tinytensor as tt


class Scale(tt.Layer):
    def __init__(self, factor: list[float]) -> None:
        self.factor = tt.Tensor(factor)

    def forward(self, x: tt.Tensor) -> tt.Tensor:
        return x * self.factor


class Residual(tt.Layer):
    def __init__(self, inner: tt.Layer) -> None:
        self.inner = inner

    def forward(self, x: tt.Tensor) -> tt.Tensor:
        return x + self.inner(x)


@tt.activation
def cube(x: float, a: float = 1.0) -> float:
    return a * x * x * x


@tt.activation(class_name="Halved")
def halved(x: float) -> float:
    return x if x > 0 else 0.5 * x


def network() -> tt.Sequential:
    inner = tt.Sequential(
        tt.Linear(50, 50, seed=1), tt.relu, tt.LeakyReLU(0.2), tt.leaky_relu(negative_slope=0.1)
    )
    return tt.Sequential(
        tt.Flatten(),
        tt.Rescale(1 / 255),
        ("hidden", tt.Linear(784, 50, seed=0)),
        tt.GELU("tanh"),
        halved,
        cube(a=0.5),
        Residual(inner),
        tt.Linear(50, 10, seed=2),
        Scale([1.0] * 10),
        tt.softmax,
    )


def calls(model: tt.Sequential, images: NDArray[np.uint8]) -> None:
    x = tt.Tensor(images.reshape(-1, 784).astype(np.float32))
    layer = tt.Linear(784, 2)
    assert_type(model(images), tt.Tensor)
    assert_type(layer(x), tt.Tensor)
    assert_type(Scale([2.0])(x), tt.Tensor)
    assert_type(tt.relu(x), tt.Tensor)
    assert_type(tt.gelu(x), tt.Tensor)
    assert_type(tt.softmax(x), tt.Tensor)
    assert_type(tt.activations.get("elu")(x), tt.Tensor)
    assert_type(cube(x), tt.Tensor)
    assert_type(cube(x, a=2.0), tt.Tensor)
    assert_type(cube(a=2.0), tt.Activation)
    assert_type(halved(x), tt.Tensor)
    assert_type(x.reshape(-1, 28, 28).sum(axis=1).mean(), tt.Tensor)
    assert_type((1.0 - x[:3]) @ x[:3].T / 2, tt.Tensor)
    assert_type(tt.where(x > 0, x, 0.0), tt.Tensor)
    assert_type(tt.models.mnist_mlp()(images), tt.Tensor)
    assert_type(tt.models.mnist_cnn()(images), tt.Tensor)


def main(folder: Path) -> float:
    images, labels = tt.datasets.mnist("sample")
    assert_type(images, NDArray[np.uint8])
    assert_type(labels, NDArray[np.uint8])
    model = network()
    calls(model, images)
    model.save(folder / "model.safetensors")
    loaded = tt.load(folder / "model.safetensors", custom_objects=[Scale, Residual, cube, halved])
    assert_type(loaded, tt.Layer)
    assert_type(loaded(images), tt.Tensor)
    report = tt.verify(model, loaded, images)
    print(model.summary(), report)
    for name, array in model.state_dict().items():
        print(name, array.shape)
    found = model.predict(images, batch_size=100).argmax(axis=1)
    return float((found == labels).mean()) + report.max_abs
