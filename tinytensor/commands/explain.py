"""Show each step of a model as a formula with its numbers.

Below a formula stands what computes it. With an INPUT, of any kind that predict reads, the values after each
step are those of its first sample.
"""

import dataclasses
import json
from typing import Any

import click

import tinytensor as tt
from tinytensor.commands.arguments import (
    command_of,
    json_option,
    load_model,
    model_argument,
    parse_names,
    shape,
)
from tinytensor.commands.predict import located, warn_of_small_pixels
from tinytensor.samples import Options, read
from tinytensor.samples.prepared import image_shape, prepared

__all__ = ["command"]

ROWS = 100  # that are read: one image may lie in a file without an axis for the batch


@command_of("explain", __doc__)
@model_argument()
@click.argument("input_", metavar="[INPUT]", required=False, type=click.Path())
@click.option("--shape", "sample", metavar="N,N", type=shape, help="The shape of one sample, as 28,28.")
@click.option("--key", metavar="NAME", help="The array of an .npz file with several.")
@click.option("--columns", metavar="A,B", type=parse_names, help="The columns of a table, in this order.")
@click.option("--drop", metavar="A,B", type=parse_names, help="Columns to leave out, as a label.")
@click.option("--centre", "--center", is_flag=True, help="Scale and centre the image as MNIST's are.")
@click.option("--invert", is_flag=True, help="The image shows dark ink on light paper.")
@json_option
def command(
    model: str, input_: str | None, sample: tuple[int, ...] | None, as_json: bool, **given: Any
) -> None:
    """Print the steps."""
    network = load_model(model)
    if input_ is None and sample is None:
        found = without_a_shape(network)
    elif input_ is None:
        found = network.explain(shape=sample)
    elif sample is not None:
        raise tt.ArgumentError("expected INPUT or --shape, not both")
    else:
        with located(input_):
            found = network.explain(first_sample(network, input_, given))
    print(json.dumps(as_dict(found)) if as_json else found)


def without_a_shape(network: Any) -> Any:
    """The explanation for as many numbers as the first Linear takes."""
    try:
        return network.explain()
    except tt.ArgumentError as error:
        raise tt.ArgumentError(
            "the shape of a sample is unknown; give INPUT or --shape, as in --shape 28,28"
        ) from error


def first_sample(network: Any, path: str, given: dict[str, Any]) -> Any:
    """The first sample of a file, as a batch of one."""
    options = Options(
        given["key"], given["columns"] or (), given["drop"] or (), None, image_shape(network),
        given["centre"], given["invert"],
    )  # fmt: skip
    for _, batch in read(path, options, ROWS):
        warn_of_small_pixels(network, path, batch)
        return prepared(network, batch)[:1]
    raise tt.ArgumentError(f"{path}: expected a sample, got none")


def as_dict(explanation: Any) -> dict[str, Any]:
    """The explanation as JSON holds it: NaN and infinities are null."""
    found = dataclasses.asdict(explanation) | {"multiply_adds": explanation.multiply_adds}
    plain: dict[str, Any] = json.loads(json.dumps(found), parse_constant=lambda _: None)
    return plain
