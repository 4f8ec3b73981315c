"""`Traceable`: what can be traced and run, the base of `Layer`."""

from typing import Any

__all__ = ["Traceable"]


class Traceable:
    """Something with a `forward` from Tensors to Tensors, and others inside it by name."""

    def forward(self, *x: Any) -> Any:
        """The output for a batch."""
        raise NotImplementedError

    def children(self) -> dict[str, Any]:
        """Those directly inside this one, by name."""
        raise NotImplementedError
