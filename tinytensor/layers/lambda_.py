"""`Lambda`: any function as a layer."""

from collections.abc import Callable
from typing import Any, final

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Lambda"]


@final
class Lambda(Layer):
    """y = function(x), for a function from a Tensor to anything array-like.

    A model with a Lambda cannot be saved, as no file may bring code: write a `Layer` for that.

    Raises:
        DtypeError: `function` cannot be called.

    >>> import tinytensor as tt
    >>> tt.Lambda(lambda x: x[:, ::-1])([[1.0, 2.0]]).tolist()
    [[2.0, 1.0]]
    """

    def __init__(self, function: Callable[[Tensor], Any]):
        if not callable(function):
            raise DtypeError(f"Lambda: expected a function, got {function!r}")
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """function(x)."""
        return self.function(x)  # type: ignore[no-any-return]

    def config(self) -> dict[str, Any]:
        """There is none.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(
            f"{self!r} holds a Python function, which no file may bring; write it as a Layer, "
            "save that, and load it with custom_objects="
        )

    def __repr__(self) -> str:
        return f"Lambda({getattr(self.function, '__name__', self.function)})"
