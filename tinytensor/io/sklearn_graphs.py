"""What scikit-learn computes from a whole sample: graphs of operators, which can be saved and exported."""

from typing import Any

import numpy as np

from tinytensor.errors import UnsupportedOp
from tinytensor.layers.graph import Graph
from tinytensor.layers.layer import Layer
from tinytensor.layers.operator import Constant, Operator

__all__ = ["normalizer", "one_hot_encoder", "share"]

Step = tuple[Layer, list[str], str]


def graph(*steps: Step) -> Graph:
    """A graph from x to the result of its last step."""
    layers = [layer for layer, _, _ in steps]
    wires = [(reads, [defines]) for _, reads, defines in steps]
    return Graph(input_names=["x"], output_names=[steps[-1][2]], layers=layers, wires=wires)


def number(value: float, name: str) -> Step:
    """A number by name."""
    return Constant(np.float64(value)), [], name


def total(of: str, name: str) -> list[Step]:
    """The sum of each sample."""
    return [(Constant(np.array([1])), [], "axis"), (Operator("ReduceSum"), [of, "axis"], name)]


def share(count: int) -> Graph:
    """p / Σ p, and 1 / count where all are 0: each class against the others, made to add up to 1."""
    return graph(
        *total("x", "sum"),
        number(0.0, "zero"),
        number(1.0, "one"),
        number(1 / count, "equal"),
        (Operator("LessOrEqual"), ["sum", "zero"], "none"),
        (Operator("Where"), ["none", "one", "sum"], "divisor"),
        (Operator("Div"), ["x", "divisor"], "divided"),
        (Operator("Where"), ["none", "equal", "divided"], "y"),
    )


def normalizer(estimator: Any) -> list[Layer]:
    """X / |x|, where the norm is not (nearly) 0."""
    norms: dict[str, list[Step]] = {
        "l1": [(Operator("Abs"), ["x"], "abs"), *total("abs", "norm")],
        "l2": [
            (Operator("Mul"), ["x", "x"], "squares"),
            *total("squares", "square"),
            (Operator("Sqrt"), ["square"], "norm"),
        ],
        "max": [
            (Operator("Abs"), ["x"], "abs"),
            (Constant(np.array([1])), [], "axis"),
            (Operator("ReduceMax"), ["abs", "axis"], "norm"),
        ],
    }
    return [
        graph(
            *norms[estimator.norm],
            number(10 * np.finfo(np.float64).eps, "least"),
            number(1.0, "one"),
            (Operator("Less"), ["norm", "least"], "none"),
            (Operator("Where"), ["none", "one", "norm"], "divisor"),
            (Operator("Div"), ["x", "divisor"], "y"),
        )
    ]


def one_hot_encoder(estimator: Any) -> list[Layer]:
    """A column for each category of each feature, 1 where x is that category; unknown ones give zeros."""
    categories = estimator.categories_
    if any(each.dtype.kind not in "fiub" or (each != each).any() for each in categories):
        raise UnsupportedOp(f"{estimator!r:.80}: expected numbers as categories, got {categories!r:.80}")
    if any(each is not None for each in getattr(estimator, "infrequent_categories_", [])):
        raise UnsupportedOp(f"{estimator!r:.80}: tinytensor has no infrequent categories")
    dropped = estimator.drop_idx_ if estimator.drop_idx_ is not None else [None] * len(categories)
    kept = [
        (feature, value)
        for feature, (values, drop) in enumerate(zip(categories, dropped, strict=True))
        for position, value in enumerate(values)
        if position != drop
    ]
    return [
        graph(
            (Constant(np.array([feature for feature, _ in kept])), [], "features"),
            (Constant(np.array([value for _, value in kept], np.float64)), [], "categories"),
            number(0.0, "zero"),
            number(1.0, "one"),
            (Operator("Gather", {"axis": 1}), ["x", "features"], "columns"),
            (Operator("GreaterOrEqual"), ["columns", "categories"], "reaches"),
            (Operator("LessOrEqual"), ["columns", "categories"], "stays"),
            (Operator("Where"), ["stays", "one", "zero"], "below"),
            (Operator("Where"), ["reaches", "below", "zero"], "y"),
        )
    ]
