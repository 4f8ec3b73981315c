"""Run a model on files of samples or images.

The class of every sample and its probability are printed, or written to a file.

An INPUT is a file of samples (.npy, .npz, .csv, .tsv, .parquet, IDX), an image (.png, .jpg) or a folder of
images. Inputs are read batch by batch, so they may be larger than memory. Images become grey and have the
size that the model takes; --invert is for dark ink on light paper, --centre for digits that are not centred
as MNIST's are. A model with a layer Rescale gets pixels from 0 to 255, another one from 0 to 1.

With --dask, the workers of a Dask cluster score a Zarr array, a .npy or .parquet file or a folder of them,
and write OUT: .npy, .zarr, or a folder of .npy or .parquet files. The same command resumes what was cut off.

The ending of OUT says what is written: .npy has the model's outputs, .csv, .parquet and .jsonl have the class
and its probability.
"""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import tinytensor as tt
from tinytensor.commands.answers import WRITERS, as_json_lines, as_text
from tinytensor.commands.arguments import (
    command_of,
    count,
    force_option,
    json_option,
    load_model,
    model_argument,
    parse_names,
    refuse_existing,
    shape,
)
from tinytensor.commands.tables import on_a_terminal
from tinytensor.errors import require
from tinytensor.io.atomic import replacing
from tinytensor.samples import Options, read
from tinytensor.samples.prepared import features, image_shape, prepared, rescales
from tinytensor.text import did_you_mean, escaped

__all__ = ["command"]

ALIEN_TO_DASK = ("key", "delimiter", "centre", "invert")  # options for inputs that --dask does not read


@command_of("predict", __doc__)
@model_argument()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path())
@click.option("-o", "--output", metavar="OUT", type=click.Path(), help="The file to write; default: print.")
@force_option
@click.option("--batch-size", metavar="N", type=count, help="Default: 1000; with --dask, 10000.")
@click.option(
    "--threads", metavar="N", type=count, help="Default: as many as there are CPUs; with --dask, 1."
)
@click.option("--dask", metavar="WHERE", help="The address of a Dask scheduler, or local[N]: N workers here.")
@click.option("--rows", metavar="N", type=count, help="With --dask: most rows of a partition.")
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
    model: str, inputs: tuple[str, ...], output: str | None, force: bool, batch_size: int | None,
    threads: int | None, size: tuple[int, ...] | None, as_json: bool, dask: str | None, rows: int | None,
    **given: Any,
) -> None:  # fmt: skip
    """Read, predict, write, batch by batch."""
    network = load_model(model)
    if dask is not None:
        alien = [name for name in ALIEN_TO_DASK if given.get(name)] + ["size"] * (size is not None)
        if len(inputs) != 1 or not output or alien:
            wrong = (
                f"not --{alien[0]}"
                if alien
                else f"got {len(inputs)} and {f'-o {output}' if output else 'no -o'}"
            )
            raise tt.ArgumentError(f"--dask: expected one INPUT and -o OUT, {wrong}")
        columns = given["columns"] or (), given["drop"] or ()
        on_dask(network, inputs[0], output, dask, columns, rows, batch_size, threads or 1, force, as_json)
        return
    if rows is not None:
        raise tt.ArgumentError("--rows: expected with --dask only")
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
            for names, batch in read(path, options, batch_size or 1000):
                with located(path, hint_of(network, path, batch)):
                    if samples == 0:
                        warn_of_small_pixels(network, path, batch)
                    answers = network.predict(prepared(network, batch), threads=threads)
                    names = names if len(names) == len(answers) else [""]
                    write(path, names, answers)
                samples += len(answers)
                step(len(answers))
    if output:
        seconds = time.perf_counter() - begin
        found = {"samples": samples, "inputs": len(inputs), "output": output, "seconds": seconds}
        text = f"{samples:,} samples of {len(inputs)} inputs → {escaped(output, keep='')} in {seconds:.2f} s"
        print(json.dumps(found) if as_json else text)


def on_dask(
    network: Any, path: str, output: str, scheduler: str, columns: tuple[Any, Any], rows: int | None,
    batch_size: int | None, threads: int, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Let the workers of a cluster read, predict and write, and say what they did."""
    begin = time.perf_counter()
    done = tt.distributed.score(
        network, path, output, scheduler, rows, batch_size, threads, force,
        progress=on_a_terminal() and not as_json, columns=columns[0], drop=columns[1],
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    if as_json:
        print(json.dumps({"samples": done.rows, **done._asdict(), "output": output, "seconds": seconds}))
        return
    kept = f", {done.resumed} of them by an earlier run" if done.resumed else ""
    print(
        f"{done.rows:,} samples in {done.partitions} partitions{kept} → {escaped(output, keep='')} "
        f"in {seconds:.2f} s"
    )


@contextlib.contextmanager
def written(output: str, force: bool) -> Iterator[Any]:
    """The writer of a file that is there as a whole at the end, or not at all."""
    suffix = Path(output).suffix.lower()
    if suffix not in WRITERS:
        hint = did_you_mean(suffix, WRITERS)
        raise tt.ArgumentError(f"{output}: expected a name that ends in {', '.join(WRITERS)}{hint}")
    refuse_existing(output, force)
    with replacing(output) as temporary:
        with WRITERS[suffix](temporary) as write:
            yield write
        refuse_existing(output, force)  # it may have been made in the meantime


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


def warn_of_small_pixels(network: Any, path: str, batch: Any) -> None:
    """Say so if pixels seem to have been rescaled before the model does."""
    if rescales(network) and batch.dtype.kind == "f" and batch.size and 0 <= batch.min() <= batch.max() <= 1:
        print(
            f"tinytensor: {escaped(path, keep='')}: all numbers lie from 0 to 1, and the model "
            "rescales pixels from 0 to 255 itself; were they divided by 255 already?",
            file=sys.stderr,
        )
