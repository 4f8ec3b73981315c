"""What the page shows of one drawing: the image that the network sees, and what every layer makes of it."""

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinytensor as tt
from tinytensor.digits import centred
from tinytensor.errors import ShapeError
from tinytensor.models.pixels import of_raw_pixels

__all__ = ["SIDE", "Reader"]

SIDE = 112  # pixels of a drawing along each side
SHOWN = 4096  # values of a layer
TERMS = 8  # of a sum, the largest

FORMULAS = {
    "Flatten": "x = the rows of the image, one after the other",
    "Rescale": "y = x · scale + offset",
    "Linear": "zⱼ = Σᵢ wⱼᵢ xᵢ + bⱼ",
    "Sigmoid": "aⱼ = 1 / (1 + e^(−zⱼ))",
    "Tanh": "aⱼ = tanh(zⱼ)",
    "ReLU": "aⱼ = max(0, zⱼ)",
    "Softmax": "pⱼ = e^zⱼ / Σₖ e^zₖ",
    "LogSoftmax": "yⱼ = zⱼ − log Σₖ e^zₖ",
    "Dropout": "y = x",
    "Reshape": "y = the same numbers in another shape",
    "Conv2d": "z = Σ w · x + b over the window of each output, for each filter w",
    "MaxPool2d": "y = the largest number of each window",
    "AvgPool2d": "y = the mean of each window",
}


class Reader:
    """A model that takes drawings.

    Raises:
        ShapeError: it does not give ten numbers for an image of 28 × 28 pixels.
    """

    def __init__(self, model: Any):
        self.model = of_raw_pixels(model)
        self.described: dict[str, str] = {}  # each layer as code, which takes longer than the layer itself
        y = self.model.predict(np.zeros((1, 28, 28), np.uint8))
        if y.shape != (1, 10):
            raise ShapeError(f"expected a model that gives (n, 10) for images (n, 28, 28), got {y.shape}")

    def read(self, drawing: NDArray[np.uint8]) -> dict[str, Any]:
        """Everything that the page shows, as JSON holds it."""
        image = centred(drawing)[None]
        self.model.predict(image, threads=1)  # the weights may have left the caches since the last drawing
        begin = time.perf_counter_ns()
        probabilities = self.model.predict(image, threads=1)
        microseconds = (time.perf_counter_ns() - begin) / 1000
        layers = [
            {"name": name, "layer": self.description(name), **values(y.numpy()[0])}
            for name, y in self.model.outputs(image).items()
        ]
        return {
            "seen": image[0].ravel().tolist(),
            "probabilities": rounded(probabilities[0]),
            "microseconds": round(microseconds, 1),
            "layers": layers,
        }

    def description(self, name: Any) -> str:
        """A layer as code."""
        if name not in self.described:
            self.described[name] = repr(self.model[name])[:200]
        return self.described[name]

    def explain(self, drawing: NDArray[np.uint8], name: str, unit: int | None) -> dict[str, Any]:
        """One layer's formula with the numbers of this drawing, for one of its outputs.

        Raises:
            ArgumentError: there is no such layer or output.
        """
        found = {str(key): y.numpy()[0] for key, y in self.model.outputs(centred(drawing)[None]).items()}
        if name not in found:
            raise tt.ArgumentError(f"no layer {name!r:.80}; there are {', '.join(found)}")
        layer, y = self.model[name], found[name].ravel()
        unit = int(y.argmax()) if unit is None else unit
        if not 0 <= unit < y.size:
            raise tt.ArgumentError(f"layer {name} has outputs 0 to {y.size - 1}, not {unit}")
        kind = type(layer).__name__
        names = list(found)
        position = names.index(name)
        x = found[names[position - 1]].ravel() if position else centred(drawing).ravel()
        formula = FORMULAS.get(kind, f"y = {self.description(name)}")
        answer = {
            "name": name, "kind": kind, "formula": formula, "unit": unit,
            "units": y.size, "result": short(y[unit]), "numbers": "", "terms": [],
        }  # fmt: skip
        if isinstance(layer, tt.Linear):
            return answer | of_linear(layer, x, y, unit)
        if x.size == y.size:
            answer["numbers"] = of_activation(kind, x, y, unit)
        return answer


def of_linear(layer: tt.Linear, x: Any, y: Any, unit: int) -> dict[str, Any]:
    """The largest terms of wⱼ·x + bⱼ, the sum of the others, and the bias."""
    weight = layer.weight.numpy()[unit]
    products = weight * x
    largest = np.argsort(-np.abs(products))[:TERMS]
    terms = [
        {"input": int(i), "weight": short(weight[i]), "x": short(x[i]), "product": short(products[i])}
        for i in largest
        if products[i]
    ]
    bias = 0.0 if layer.bias is None else float(layer.bias.numpy()[unit])
    others = float(y[unit]) - bias - sum(float(products[i]) for i in largest)
    active = int(np.count_nonzero(x))
    text = (
        f"z{subscript(unit)} = {short(float(y[unit]) - bias)} + ({short(bias)}) = {short(y[unit])}; "
        f"{active} of {x.size} inputs are not zero"
    )
    return {"terms": terms, "others": short(others), "bias": short(bias), "numbers": text}


def of_activation(kind: str, x: Any, y: Any, unit: int) -> str:
    """One output of an elementwise layer or of softmax, with its numbers."""
    z, a, j = short(x[unit]), short(y[unit]), subscript(unit)
    if kind == "Sigmoid":
        return f"a{j} = 1 / (1 + e^(−({z}))) = {a}"
    if kind == "Softmax":
        e = np.exp(x.astype(np.float64) - x.max())
        return (
            f"p{j} = e^({z} − {short(x.max())}) / Σ e^(zₖ − {short(x.max())}) = {short(e[unit])} / "
            f"{short(e.sum())} = {a}"
        )
    if kind == "ReLU":
        return f"a{j} = max(0, {z}) = {a}"
    return f"input {j or unit}: {z}, output: {a}"


def values(y: Any) -> dict[str, Any]:
    """The shape and the first values of a layer's output."""
    return {"shape": list(y.shape), "values": rounded(y.ravel()[:SHOWN])}


def rounded(y: Any) -> list[float | None]:
    """Numbers as JSON holds them, with five decimals; what is not finite is None."""
    found: list[float] = np.round(y.astype(np.float64), 5).tolist()
    return [each if math.isfinite(each) else None for each in found]


def short(value: Any) -> str:
    """Four digits of a number."""
    return f"{float(value):.4g}".replace("-", "−")


def subscript(number: int) -> str:
    """A number in subscript digits."""
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))
