"""Errors inside a model say at which layer they happened."""

from collections.abc import Callable

from tinytensor.errors import TinyTensorError
from tinytensor.layers.layer import Layer
from tinytensor.tensor import Tensor

__all__ = ["run"]


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
