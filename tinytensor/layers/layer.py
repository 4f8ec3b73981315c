"""`Layer`: the one abstract idea, a function from a Tensor to a Tensor."""

from abc import ABC, abstractmethod
from typing import Any

from tinytensor.tensor import Tensor

__all__ = ["Layer"]


class Layer(ABC):
    """y = forward(x)."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The layer's output for a batch x."""

    def __call__(self, x: Any, /) -> Any:
        """forward(x), of anything array-like."""
        return self.forward(x if type(x) is Tensor else Tensor(x))

    def config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dict(getattr(self, "parameters", {}))
