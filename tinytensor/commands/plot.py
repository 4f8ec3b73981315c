"""Draw an activation, a model or digits into a PNG, SVG or PDF.

\b
WHAT          ARGUMENT
activation    its name, as gelu
activations
network       MODEL
weights       MODEL, the first matrix, or that of --layer
digits        MODEL, on the embedded digits
confusion     MODEL, on the embedded digits
profile       MODEL, on the embedded digits
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import tinytensor as tt
from tinytensor.commands.arguments import (
    Choice,
    ModelName,
    command_of,
    force_option,
    load_model,
    refuse_existing,
    shape,
)
from tinytensor.io.atomic import replacing
from tinytensor.models.pixels import of_raw_pixels
from tinytensor.text import escaped

__all__ = ["command"]

SUFFIXES = (".png", ".svg", ".pdf")
SHOWN = 30  # digits


def of_digits(draw: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    """A picture of what a model makes of the embedded digits."""

    def picture(name: str, layer: str | None, sample: Any) -> Any:
        return draw(of_raw_pixels(load_model(name)), *tt.datasets.mnist("sample"))

    return picture


def weights(name: str, layer: str | None, sample: Any) -> Any:
    """The matrix of a layer."""
    matrices = {key: value for key, value in load_model(name).state_dict().items() if value.ndim == 2}
    wanted = f"{layer}.weight" if layer is not None else next(iter(matrices), "")
    if wanted not in matrices:
        known = ", ".join(key.removesuffix(".weight") for key in matrices)
        raise tt.ArgumentError(f"{name}: expected --layer with one of {known or 'no layer'}, got {layer}")
    matrix = matrices[wanted]
    return tt.plot.weights(matrix, sample if sample and len(sample) == 2 else None)


PICTURES: dict[str, Callable[..., Any]] = {
    "activation": lambda name, layer, sample: tt.plot.activation(name),
    "activations": lambda name, layer, sample: tt.plot.activations(),
    "network": lambda name, layer, sample: tt.plot.network(load_model(name), sample),
    "weights": weights,
    "digits": of_digits(lambda model, x, y: tt.plot.digits(x[:SHOWN], model.predict(x[:SHOWN]), y[:SHOWN])),
    "confusion": of_digits(lambda model, x, y: tt.plot.confusion(y, model.predict(x))),
    "profile": of_digits(lambda model, x, y: tt.plot.profile(model.profile(x))),
}


@command_of("plot", __doc__)
@click.argument("what", metavar="WHAT", type=Choice(list(PICTURES)))
@click.argument("argument", metavar="[ARGUMENT]", required=False, type=ModelName())
@click.option("-o", "--output", metavar="OUT", required=True, type=click.Path(), help="The file to write.")
@force_option
@click.option("--layer", metavar="NAME", help="Whose weights are drawn.")
@click.option(
    "--shape", "sample", metavar="H,W", type=shape, help="Of a sample; weights are drawn as images."
)
def command(
    what: str, argument: str | None, output: str, force: bool, layer: str | None, sample: Any
) -> None:
    """Draw, and write as a whole or not at all."""
    if (argument is None) != (what == "activations"):
        raise tt.ArgumentError(
            f"{what}: expected {'no' if what == 'activations' else 'an'} argument; see --help"
        )
    suffix = Path(output).suffix.lower()
    if suffix not in SUFFIXES:
        raise tt.ArgumentError(f"{output}: expected a name that ends in {', '.join(SUFFIXES)}")
    refuse_existing(output, force)
    figure = PICTURES[what](argument, layer, sample)
    with replacing(output) as temporary:
        figure.savefig(temporary, format=suffix[1:], dpi=150)
    print(f"{what} → {escaped(output, keep='')}: {os.path.getsize(output):,} bytes")
