"""Write a model in another format and, if you like, prove that it computes the same.

IN may be of any format that tinytensor reads; the ending of OUT says what to write: .safetensors, .npz,
.onnx, or .py for a program that needs NumPy alone.
With --verify both files run on the samples in an .npy file: ONNX through ONNX Runtime, .keras through Keras;
the status is 1 if one of them computes something different.
"""

import argparse
import os
import runpy
from pathlib import Path
from typing import Any

import numpy as np

import tinytensor as tt
from tinytensor.text import escaped

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tinytensor convert`."""
    parser.add_argument("source", metavar="IN", help="the model to read")
    parser.add_argument("target", metavar="OUT", help="the file to write; an old one is replaced")
    parser.add_argument("--verify", metavar="X.npy", help="samples on which to compare both files")


def run(args: argparse.Namespace) -> int:
    """Read, write, compare; 1 if a file computes something different."""
    samples = array_in(args.verify) if args.verify else None
    model = tt.load(args.source)
    tt.io.save(model, args.target)
    print(f"{escaped(args.source)} → {escaped(args.target)}: {os.path.getsize(args.target):,} bytes")
    if samples is None:
        return 0
    reports = {
        args.source: tt.verify(model, args.source, samples),
        args.target: tt.verify(model, written(args.target), samples),
    }
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
