"""Compare what two files of a model compute on the same samples.

REFERENCE may be of any format that tinytensor reads; ONNX runs through ONNX Runtime, .keras through Keras,
a .py file through its function `predict`, which runs the file. The status is 1 if
the two compute something different.
"""

import dataclasses
import json
from typing import Any

import click

import tinytensor as tt
from tinytensor.commands.arguments import command_of, json_option, load_model, model_argument
from tinytensor.commands.convert import array_in, written
from tinytensor.text import escaped

__all__ = ["command"]


@command_of("verify", __doc__)
@model_argument()
@click.argument("reference", metavar="REFERENCE")
@click.argument("samples", metavar="X.npy")
@json_option
def command(model: str, reference: str, samples: str, as_json: bool) -> int:
    """Print the report; 1 if the two differ."""
    x = array_in(samples)
    report = tt.verify(load_model(model), written(reference), x)
    print(json.dumps(as_dict(report)) if as_json else f"{escaped(model)}: {report}")
    return int(report.verdict == "different")


def as_dict(report: Any) -> dict[str, Any]:
    """The report as JSON holds it."""
    return {"verdict": report.verdict, "reason": report.reason(), **dataclasses.asdict(report)}
