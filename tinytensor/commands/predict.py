"""Run a model on files, and print or write the class of every sample and its probability.

An INPUT is a file of samples (.npy, .npz, .csv, .tsv, .parquet, IDX), an image (.png, .jpg) or a folder of
images. Inputs are read batch by batch, so they may be larger than memory. Images become grey and have the
size that the model takes; --invert is for dark ink on light paper, --centre for digits that are not centred
as MNIST's are. A model with a layer Rescale gets pixels from 0 to 255, another one from 0 to 1.

The ending of OUT says what is written: .npy has the model's outputs, .csv, .parquet and .jsonl have the class
and its probability.
"""

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

import tinytensor as tt
from tinytensor.commands.answers import WRITERS, as_json_lines, as_text
from tinytensor.commands.arguments import (
    command_of,
    count,
    json_option,
    load_model,
    model_argument,
    parse_names,
    shape,
)
from tinytensor.commands.tables import on_a_terminal
from tinytensor.errors import require
from tinytensor.io.atomic import replacing
from tinytensor.samples import Options, read
from tinytensor.text import did_you_mean, escaped

__all__ = ["command"]


@command_of("predict", __doc__)
@model_argument()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path())
@click.option("-o", "--output", metavar="OUT", type=click.Path(), help="The file to write; default: print.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--batch-size", metavar="N", type=count, default=1000, show_default=True)
@click.option("--threads", metavar="N", type=count, help="Default: as many as there are CPUs.")
@click.option("--key", metavar="NAME", help="The array of an .npz file with several.")
@click.option("--columns", metavar="A,B", type=parse_names, help="The columns of a table, in this order.")
@click.option("--drop", metavar="A,B", type=parse_names, help="Columns to leave out, as a label.")
@click.option("--delimiter", metavar="C", help="What separates the columns of a .csv file; default: a comma.")
@click.option(
    "--size", metavar="H,W", type=shape, help="The size of the model's images, if it does not tell."
)
@click.option("--centre", "--center", is_flag=True, help="Scale and centre each image as MNIST's are.")
@click.option("--invert", is_flag=True, help="The images show dark ink on light paper.")
@json_option
def command(
    model: str, inputs: tuple[str, ...], output: str | None, force: bool, batch_size: int,
    threads: int | None, size: tuple[int, ...] | None, as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Read, predict, write, batch by batch."""
    network = load_model(model)
    if size is not None and len(size) != 2:
        raise tt.ArgumentError(f"--size: expected two lengths, as 28,28, got {size}")
    options = Options(
        given["key"], given["columns"] or (), given["drop"] or (), given["delimiter"],
        size or image_shape(network), given["centre"], given["invert"],
    )  # fmt: skip
    begin, samples = time.perf_counter(), 0
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(
            written(output, force) if output else as_json_lines() if as_json else as_text()
        )
        step = stack.enter_context(progress(bool(output) and not as_json))
        for path in inputs:
            for rows, batch in read(path, options, batch_size):
                with located(path, hint_of(network, path, batch)):
                    answers = network.predict(prepared(network, path, batch, samples == 0), threads=threads)
                    rows = rows if len(rows) == len(answers) else [""]
                    write(path, rows, answers)
                samples += len(answers)
                step(len(answers))
    if output:
        seconds = time.perf_counter() - begin
        found = {"samples": samples, "inputs": len(inputs), "output": output, "seconds": seconds}
        text = f"{samples:,} samples of {len(inputs)} inputs → {escaped(output, keep='')} in {seconds:.2f} s"
        print(json.dumps(found) if as_json else text)


@contextlib.contextmanager
def written(output: str, force: bool) -> Iterator[Any]:
    """The writer of a file that is there as a whole at the end, or not at all."""
    suffix = Path(output).suffix.lower()
    if suffix not in WRITERS:
        hint = did_you_mean(suffix, WRITERS)
        raise tt.ArgumentError(f"{output}: expected a name that ends in {', '.join(WRITERS)}{hint}")

    def refuse() -> None:
        if not force and os.path.lexists(output):
            raise tt.ArgumentError(f"{output}: exists already; --force replaces it")

    refuse()
    with replacing(output) as temporary:
        with WRITERS[suffix](temporary) as write:
            yield write
        refuse()  # it may have been made in the meantime


@contextlib.contextmanager
def located(path: str, hint: str = "") -> Iterator[None]:
    """Errors of the model name the input, and what helps if its shape does not fit."""
    try:
        yield
    except tt.ShapeError as error:
        raise tt.ShapeError(f"{path}: {error}{hint}") from error
    except tt.DtypeError as error:
        raise tt.DtypeError(f"{path}: {error}") from error


def hint_of(network: Any, path: str, batch: Any) -> str:
    """What helps against a table with more columns than the model has inputs."""
    table = path.lower().endswith((".csv", ".tsv", ".parquet"))
    width = features(network)
    return "; --drop leaves a column out, as a label" if table and width and batch.shape[-1] > width else ""


@contextlib.contextmanager
def progress(wanted: bool) -> Iterator[Any]:
    """A function that tells a bar on the terminal of so many samples more."""
    if not (wanted and on_a_terminal()):
        yield lambda count: None
        return
    rich = require("rich.progress", "cli")
    columns = (
        rich.TextColumn("predicting"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
    )
    with rich.Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda count: bar.update(task, advance=count)


def leaves(layer: Any) -> list[Any]:
    """The layers that contain no others, in order."""
    inner = list(layer.children().values())
    return [leaf for child in inner for leaf in leaves(child)] if inner else [layer]


def features(network: Any) -> int | None:
    """How many numbers a sample has, by the first Linear."""
    found = [each.in_features for each in leaves(network) if isinstance(each, tt.Linear)]
    return found[0] if found else None


def image_shape(network: Any) -> tuple[int, int] | None:
    """The size of a square image with as many pixels as the first Linear takes."""
    side = math.isqrt(features(network) or 0)
    return (side, side) if side and side * side == features(network) else None


def prepared(network: Any, path: str, batch: Any, first: bool) -> Any:
    """The batch as the model takes it: pixels rescaled once, images flat if nothing flattens them."""
    layers, width = leaves(network), features(network)
    rescales = any(isinstance(each, tt.Rescale) for each in layers)
    if width and batch.ndim == 2 and batch.size == width != batch.shape[1]:
        batch = batch[None]  # one image without an axis for the batch
    if batch.dtype == np.uint8 and not rescales:
        batch = batch.astype(np.float32) / np.float32(255)
    if batch.ndim > 2 and layers and isinstance(layers[0], tt.Linear) and math.prod(batch.shape[1:]) == width:
        batch = batch.reshape(len(batch), width)
    if first and rescales and batch.dtype.kind == "f" and batch.size and 0 <= batch.min() <= batch.max() <= 1:
        print(
            f"tinytensor predict: {escaped(path, keep='')}: all numbers lie from 0 to 1, and the model "
            "rescales pixels from 0 to 255 itself; were they divided by 255 already?",
            file=sys.stderr,
        )
    return batch
