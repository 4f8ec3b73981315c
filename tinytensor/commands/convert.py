"""Write a model in another format, and compare both on request.

IN may be of any format that tinytensor reads, or the name of a packaged model; the ending of OUT says
what to write: .safetensors, .npz, .onnx, or .py for a program that needs NumPy alone. For the latter two
--shape says the shape of one sample, where the layers do not.
With --verify both files run on the samples in an .npy file: ONNX through ONNX Runtime, .keras through Keras;
the status is 1 if one of them computes something different.
"""

import os
import runpy
from pathlib import Path
from typing import Any

import click
import numpy as np

import tinytensor as tt
from tinytensor.commands.arguments import (
    command_of,
    force_option,
    load_model,
    model_argument,
    refuse_existing,
    shape,
)
from tinytensor.text import escaped

__all__ = ["array_in", "command"]


@command_of("convert", __doc__)
@model_argument("IN")
@click.argument("target", metavar="OUT", type=click.Path())
@click.option("--verify", metavar="X.npy", help="Samples on which to compare both files.")
@click.option("--shape", "sample", metavar="N,N", type=shape, help="The shape of one sample, as 28,28.")
@force_option
def command(model: str, target: str, verify: str | None, sample: tuple[int, ...] | None, force: bool) -> int:
    """Read, write, compare; 1 if a file computes something different."""
    refuse_existing(target, force)
    samples = array_in(verify) if verify else None
    network = load_model(model)
    tt.io.save(network, target, sample)
    print(f"{escaped(model)} → {escaped(target)}: {os.path.getsize(target):,} bytes")
    if samples is None:
        return 0
    reports = {target: tt.verify(network, written(target), samples)}
    if os.path.exists(model):  # else a packaged model, which is what was loaded
        reports = {model: tt.verify(network, model, samples), **reports}
    for path, report in reports.items():
        print(f"\n{escaped(path)}: {report}")
    return int(any(report.verdict == "different" for report in reports.values()))


def written(path: str) -> Any:
    """What runs the file that was written: our own program as a function, others by their path."""
    return runpy.run_path(path)["predict"] if Path(path).suffix.lower() == ".py" else path


def array_in(path: str) -> Any:
    """The array in an .npy file, read as strictly as a model's."""
    from tinytensor.io.npz import array_of

    try:
        return array_of(os.path.basename(path), np.fromfile(path, np.uint8))
    except tt.ModelFormatError as error:
        raise tt.ModelFormatError(f"{path}: {error}") from error
