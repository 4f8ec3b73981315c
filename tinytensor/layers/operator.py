"""`Operator` and `Constant`: what a graph computes besides layers, and from what."""

import inspect
from typing import Any, final

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import as_operand
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Constant", "Operator"]


def table() -> dict[str, Any]:
    """Every operation by name; imported for the first of them, as most models have none."""
    from tinytensor.operators.table import OPERATORS

    return OPERATORS


@final
class Operator(Layer):
    """y = operation(x₁, x₂, …; attributes), one of ONNX's operations by name, in its newest form.

    Args:
        operation: a name in `tinytensor.operators.table`, as "Add", "Transpose", "ReduceSum".
        attributes: its attributes by name.

    Raises:
        ArgumentError: there is no such operation, or it has no such attribute.

    >>> import tinytensor as tt
    >>> tt.Operator("Transpose", {"perm": [1, 0]})([[1.0, 2.0]]).shape
    (2, 1)
    """

    def __init__(self, operation: str, attributes: dict[str, Any] | None = None):
        operators = table()
        if not isinstance(operation, str) or operation not in operators:
            raise ArgumentError(
                f"Operator: expected one of {', '.join(sorted(operators))}, got {operation!r:.80}"
            )
        if not isinstance(attributes, dict | None):
            raise ArgumentError(f"Operator: attributes: expected a dict by name, got {attributes!r:.80}")
        self.operation, self._attributes = operation, tuple((attributes or {}).items())
        known = inspect.signature(operators[operation]).parameters
        unknown = [name for name in self.attributes if name not in known]
        if unknown:
            raise ArgumentError(f"Operator: {operation} has no attribute {', '.join(unknown)[:80]}")

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes by name."""
        return dict(self._attributes)

    def forward(self, *x: Tensor | None) -> Any:
        """operation(*x); a tuple of Tensors where it has several results."""
        return table()[self.operation](*x, **self.attributes)


@final
class Constant(Layer):
    """y = value for any input; an array keeps its dtype, integers included.

    >>> import tinytensor as tt
    >>> tt.Constant([1.0, 2.0]).forward().tolist()
    [1.0, 2.0]
    """

    value: Tensor

    def __init__(self, value: Any):
        self.value = value if type(value) is Tensor else Tensor._wrap(as_operand(value))

    def forward(self, *x: Tensor | None) -> Tensor:
        """The value."""
        return self.value
