"""`tt.quantize`: a trained network in float32 becomes one on bytes."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, overload

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError, UnsupportedOp
from tinytensor.inference.model import everything_in
from tinytensor.kernels.boundary import real_number
from tinytensor.layers.flatten import Flatten
from tinytensor.layers.graph import Graph
from tinytensor.layers.layer import Layer
from tinytensor.layers.sequential import Sequential
from tinytensor.quantization.calibration import Calibration, batches_of, numbers
from tinytensor.quantization.domains import Domains
from tinytensor.quantization.emission import Emission, Placed
from tinytensor.quantization.ranges import METHODS
from tinytensor.quantization.recording import LayerCall, record
from tinytensor.quantization.report import Quantization, measured
from tinytensor.quantization.steps import steps_of

__all__ = ["quantize"]

BOUNDS = ("agreement", "snr")
Method = Literal["max", "percentile", "mse"]


class Job:
    """A model with its calibration, from which quantised models are made that keep other layers."""

    def __init__(self, model: Layer, samples: Any, method: str, percentile: float, keep: Sequence[str]):
        self.model, self.method, self.percentile = model, method, percentile
        batches = batches_of(samples)
        first = next(batches)
        recording, self.call = record(model, [numbers(first[:2]).copy()])
        steps_of(recording, self.call, keep)  # raises before samples go through the model
        self.calibration = Calibration(recording, method != "max")
        self.calibration.add(first)
        for each in batches:
            self.calibration.add(each)
        self.float_bytes = sum(each.numpy().nbytes for each in model.parameters().values())

    def placed(self, keep: Iterable[str]) -> tuple[list[Placed], list[str]]:
        """The layers of the model that keeps these layers, and the names of its outputs."""
        recording = self.calibration.recording
        steps = steps_of(recording, self.call, keep)
        (given,) = recording.inputs
        domains = Domains(steps, given if self.calibration.pixels else None, self.calibration.observed)
        scales = domains.scales(self.method, self.percentile)
        emission = Emission(domains, scales, frozenset(each.index for each in recording.outputs))
        emission.floats[given.index] = "x"
        if flattens(self.call, given):
            emission.put("", Flatten(), ["x"], given, None, None)
        for step in steps:
            emission.step(step)
        return emission.placed, [emission.as_floats(each) for each in recording.outputs]

    def quantized(self, keep: Sequence[str]) -> tuple[Layer, Quantization]:
        """The model that keeps these layers, and how it differs."""
        placed, outputs = self.placed(keep)
        model = assembled(self.model, placed, outputs)
        size = sum(each.numpy().nbytes for each in model.parameters().values())
        return model, measured(self.calibration, placed, outputs, (self.float_bytes, size), keep)


def flattens(call: LayerCall, given: Any) -> bool:
    """Whether a Flatten reads the input that had nothing to do for these samples."""
    return any(
        type(each.layer) is Flatten and each.first == each.end and each.given[0]._array is given
        for each in call.inner
    ) or any(flattens(each, given) for each in call.inner)


def assembled(model: Layer, placed: Sequence[Placed], outputs: Sequence[str]) -> Layer:
    """A Sequential of a chain, a Graph of anything else."""
    before = ["x", *(each.defines[0] for each in placed)]
    chain = len(outputs) == 1 and outputs[0] == before[-1] and all(
        each.reads == (name,) and len(each.defines) == 1 for each, name in zip(placed, before, strict=False)
    )  # fmt: skip
    names = [each.name for each in placed]
    if chain:
        return Sequential(
            *(
                (each.name, each.layer)
                if each.name
                and "." not in each.name
                and not each.name.isdigit()
                and names.count(each.name) == 1
                else each.layer
                for each in placed
            )
        )
    inputs = model.input_names if isinstance(model, Graph) else ("x",)
    ends = model.output_names if isinstance(model, Graph) else tuple(f"y{i}" for i in range(len(outputs)))
    return wired(placed, outputs, inputs, ends)


def wired(
    placed: Sequence[Placed], outputs: Sequence[str], inputs: Sequence[str], ends: Sequence[str]
) -> Graph:
    """The Graph, with the outer names of the model that it is made of."""
    renamed = {"x": inputs[0], "": ""}
    if len(set(outputs)) == len(outputs) and not set(outputs) & {"x"}:
        renamed |= dict(zip(outputs, ends, strict=True))
    taken = set(renamed.values())
    for each in placed:
        for name in each.defines:
            new = name
            while name not in renamed and new in taken:
                new += "_"
            renamed.setdefault(name, new)
            taken.add(renamed[name])
    wires = [
        (tuple(renamed[name] for name in each.reads), tuple(renamed[name] for name in each.defines))
        for each in placed
    ]
    return Graph(inputs, [renamed[name] for name in outputs], [each.layer for each in placed], wires)


@overload
def quantize(
    model: Layer, samples: Any, *, calibration: Method = "max", percentile: float = 99.99,
    keep: str | Iterable[str] = (), bound: tuple[str, float] | None = None, report: Literal[False] = False,
) -> Layer: ...  # fmt: skip
@overload
def quantize(
    model: Layer, samples: Any, *, calibration: Method = "max", percentile: float = 99.99,
    keep: str | Iterable[str] = (), bound: tuple[str, float] | None = None, report: Literal[True],
) -> tuple[Layer, Quantization]: ...  # fmt: skip
def quantize(
    model: Layer, samples: Any, *, calibration: str = "max", percentile: float = 99.99,
    keep: str | Iterable[str] = (), bound: tuple[str, float] | None = None, report: bool = False,
) -> Any:  # fmt: skip
    """The model on bytes: int8 weights, uint8 activations, sums in int32; a quarter the size.

    Nothing is trained. Samples go through the model in float32, batch by batch, and the range of each value
    gives its scale and its zero point, which is 0 where nothing is negative. Weights have a scale for each
    output. Batch norms are folded into the sums before them, ReLU and ReLU6 are bounds of their bytes, other
    functions of one value are tables of 256. What follows the last sum, as softmax, and layers that have no
    form on bytes stay in float32.

    Args:
        model: a trained model in float32.
        samples: what it is used on, a few hundred or more: an array, or batches of them. Not the test set.
        calibration: which range bytes cover: "max" all numbers that occur, "percentile" all but the farthest,
            "mse" the range with the least squared error.
        percentile: how many percent of numbers "percentile" covers on each side.
        keep: names of layers that stay in float32, as in `state_dict`, or one name.
        bound: ("agreement", 0.999) or ("snr", 30.0): layers stay in float32, those first that lose most,
            until so many answers agree with those of the model in float32, or the outputs have so many
            decibels.
        report: whether to return how the two models differ, too.

    Returns:
        A `Sequential` or a `Graph`; with `report` also a `Quantization`.

    Raises:
        ArgumentError: no samples, numbers that are not finite in samples, weights or values, an unknown layer
            or method, or a bound that even the model in float32 does not reach.
        ShapeError: the samples do not fit the model.
        UnsupportedOp: the model's forward cannot be traced, or has several inputs.

    Source: Jacob et al., Quantization and training of neural networks, 2018; Wu et al., Integer quantization
    for deep learning inference, 2020.

    >>> import tinytensor as tt
    >>> images, labels = tt.datasets.mnist("sample")
    >>> model = tt.quantize(tt.models.mnist_mlp(), images[:100])
    >>> model(images[:5]).argmax(axis=1).tolist()
    [0, 1, 2, 3, 4]
    """
    part, names = asked(model, calibration, percentile, keep)
    job = Job(model, samples, calibration, part, names)
    found, difference = job.quantized(names)
    if bound is not None:
        found, difference = within(job, names, checked(bound), found, difference)
    return (found, difference) if report else found


def asked(
    model: Any, calibration: str, percentile: float, keep: str | Iterable[str]
) -> tuple[float, list[str]]:
    """The percentile and the names of layers that are kept, checked."""
    if not isinstance(model, Layer):
        raise DtypeError(f"quantize: expected a model, got {model!r:.80}")
    if calibration not in METHODS:
        raise ArgumentError(
            f"quantize: calibration: expected one of {', '.join(METHODS)}, got {calibration!r:.80}"
        )
    part = real_number("quantize: percentile", percentile)
    if not 50 < part <= 100:
        raise ArgumentError(f"quantize: percentile: expected more than 50 and at most 100, got {part}")
    names = [keep] if isinstance(keep, str) else list(keep)
    known = [name for name, _ in everything_in(model)]
    for name in names:
        if name not in known:
            raise ArgumentError(
                f"quantize: keep: no layer is named {name!r:.80}; there are {', '.join(known)}"
            )
    if isinstance(model, Graph) and len(model.input_names) != 1:
        raise UnsupportedOp(f"quantize: expected a model of one input, got {len(model.input_names)}")
    return part, names


def checked(bound: Any) -> tuple[str, float]:
    """The name and the number of a bound."""
    if not isinstance(bound, tuple | list) or len(bound) != 2 or bound[0] not in BOUNDS:
        raise ArgumentError(
            f'quantize: bound: expected ("agreement", share) or ("snr", decibels), got {bound!r:.80}'
        )
    number = real_number("quantize: bound", bound[1])
    if bound[0] == "agreement" and not 0 <= number <= 1:
        raise ArgumentError(f"quantize: bound: expected a share from 0 to 1, got {number}")
    return bound[0], number


def within(
    job: Job, keep: list[str], bound: tuple[str, float], model: Layer, report: Quantization
) -> tuple[Layer, Quantization]:
    """The model that keeps as few more layers as reach the bound, those first that alone lose most."""
    which, least = bound

    def value(each: Quantization) -> float:
        number = getattr(each, which)
        return np.inf if number is None else float(number)

    if value(report) >= least:
        return model, report
    sums = list(dict.fromkeys(row.name for row in report.rows if row.layer.startswith("Quantized")))
    alone = {name: job.quantized([*keep, *(each for each in sums if each != name)])[1].snr for name in sums}
    kept = list(keep)
    for name in sorted(sums, key=alone.__getitem__):
        kept.append(name)
        model, report = job.quantized(kept)
        if value(report) >= least:
            return model, report
    raise ArgumentError(
        f"quantize: bound: {which} is {value(report):.6g} even with all layers in float32, not {least}"
    )
