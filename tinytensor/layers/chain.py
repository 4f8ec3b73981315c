"""Layers one after the other; errors say at which of them they happened."""

from collections.abc import Callable, Iterable

from tinytensor.errors import ShapeError, TinyTensorError
from tinytensor.inference.calls import runs_foreign_code
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Located", "check_rows", "run", "through"]

Located = tuple[int, Layer]


def run(position: int, layer: Layer, x: Tensor, call: Callable[[Tensor], Tensor]) -> Tensor:
    """call(x); an error says at which layer it happened.

    `Sequential[1][0] Linear(in_features=3, out_features=2): expected (batch, 3), got (3, 4)`
    """
    try:
        return call(x)
    except TinyTensorError as error:
        said, here = str(error), f"Sequential[{position}]"
        if type(layer).__name__ == "Sequential" and said.startswith("Sequential["):
            message = here + said.removeprefix("Sequential")
        else:
            message = f"{here} {said}" if said.startswith(repr(layer)) else f"{here} {layer!r}: {said}"
        error.args = (message,)
        raise
    except Exception as error:
        error.add_note(f"in Sequential[{position}] {layer!r}")
        raise


def through(layers: Iterable[Located], x: Tensor) -> tuple[Tensor, Located | None]:
    """The output of the last layer, and the first layer that changed the number of rows, if one did."""
    changed: Located | None = None
    for position, layer in layers:
        y = run(position, layer, x, layer)
        if changed is None and x.shape[:1] != y.shape[:1]:
            changed = position, layer
        x = y
    return x, changed


def check_rows(x: tuple[int, ...], y: tuple[int, ...], changed: Located | None) -> None:
    """Raise unless there is one output for each sample of a batch; x and y are shapes.

    In between the number of rows may change, as where steps of a sequence become rows and samples again. An
    operation from a file may do what the file says.
    """
    if changed and not runs_foreign_code(changed[1]):
        return
    if len(x) > 1 and y[:1] != x[:1]:
        who = f"Sequential[{changed[0]}] {changed[1]!r}" if changed else "Sequential"
        raise ShapeError(
            f"{who}: expected an output for each of {x[0]} samples, (batch, …), got shape {y} for samples of "
            f"shape {x}; a forward must keep axis 0"
        )
