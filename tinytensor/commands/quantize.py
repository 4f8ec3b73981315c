"""Write a model on bytes (int8), a quarter of the size.

Weights become int8, activations uint8. IN is a model in float32, OUT a name that ends in .safetensors, .npz
or another format that holds int8. FILE has samples on which the ranges of values are measured, a few
hundred of those that the model was trained on: .npy, .npz, .csv, .tsv, .parquet, IDX, images. The first
1,000 of them also go through both models, and what is lost is printed for each layer.
"""

import os
from typing import Any

import click

import tinytensor as tt
from tinytensor.commands.arguments import (
    Choice,
    command_of,
    force_option,
    json_option,
    load_model,
    model_argument,
    refuse_existing,
)
from tinytensor.commands.tables import on_a_terminal, show_table
from tinytensor.quantization.ranges import METHODS
from tinytensor.samples import Options, read
from tinytensor.samples.prepared import image_shape, prepared
from tinytensor.text import escaped

__all__ = ["command"]

BATCH = 1000  # samples that are read at a time


@command_of("quantize", __doc__)
@model_argument("IN")
@click.argument("target", metavar="OUT", type=click.Path())
@click.option("--samples", metavar="FILE", required=True, help="Samples, not of the test set.")
@click.option("--keep", metavar="NAME", multiple=True, help="A layer that stays in float32; repeatable.")
@click.option("--calibration", type=Choice(METHODS), default="max", show_default=True)
@click.option("--agreement", metavar="SHARE", type=float, help="Keep layers until so many answers agree.")
@click.option("--key", metavar="NAME", help="The array of an .npz file with several.")
@force_option
@json_option
def command(
    model: str, target: str, samples: str, keep: tuple[str, ...], calibration: Any, agreement: float | None,
    key: str | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Read, quantise, write, report."""
    refuse_existing(target, force)
    network = load_model(model)
    options = Options(key=key, shape=image_shape(network))
    batches = (prepared(network, batch) for _, batch in read(samples, options, BATCH))
    bound = None if agreement is None else ("agreement", agreement)
    found, report = tt.quantize(
        network, batches, keep=keep, calibration=calibration, bound=bound, report=True
    )
    tt.io.save(found, target)
    if as_json:
        print(report.to_json())
        return
    if on_a_terminal():
        show_table(report.cells, texts=3, total=True)
        print("\n".join(report.notes))
    else:
        print(report)
    print(f"{escaped(model)} → {escaped(target)}: {os.path.getsize(target):,} bytes")
