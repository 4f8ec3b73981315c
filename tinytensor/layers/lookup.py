"""`Lookup`: any function of one byte, as a table of 256 values."""

from collections.abc import Callable
from typing import Any, final

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.layers.quantize import numbers_of
from tinytensor.layers.quantized import Quantized, byte, bytes_of, scale
from tinytensor.primitives.quantized import Output, lookup, quantize
from tinytensor.tensors import Tensor

__all__ = ["Lookup"]


@final
class Lookup(Quantized):
    """y = table[x]; uint8 of any shape → the dtype of the table, uint8 or float32.

    Args:
        table: 256 numbers.
        function: what it computes, for a reader.

    Raises:
        ShapeError: a table of another length.
        DtypeError: another dtype, of the table or of the input.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> tt.Lookup(np.arange(255, -1, -1, dtype=np.uint8), "255 - x")(tt.Tensor([0, 250], np.uint8)).tolist()
    [255, 5]
    """

    table: Tensor

    def __init__(self, table: Any, function: str = ""):
        if not isinstance(function, str):
            raise DtypeError(f"Lookup: function: expected a string, got {function!r:.80}")
        self.table, self.function = table, function

    @classmethod
    def of(
        cls,
        function: Callable[[Tensor], Tensor],
        input_scale: float,
        input_zero_point: int = 0,
        output_scale: float | None = None,
        output_zero_point: int = 0,
    ) -> "Lookup":
        """The table of a function of Tensors for bytes of one scale and zero point, as bytes of another.

        Without an output_scale the results are float32.

        Raises:
            ArgumentError: a scale that is not positive and finite, or a byte outside 0 to 255.

        >>> import numpy as np
        >>> import tinytensor as tt
        >>> tt.Lookup.of(tt.sigmoid, 0.1, 128, 1 / 256)(tt.Tensor([128, 255], np.uint8)).tolist()
        [128, 255]
        """
        scale("Lookup.of: input_scale", input_scale)
        x = numbers_of(input_scale, byte("Lookup.of: input_zero_point", input_zero_point))
        y = np.asarray(function(Tensor(x[:, None])).numpy(), np.float32)
        if y.shape != (256, 1):
            raise ArgumentError(f"Lookup.of: expected a function of every element, got shape {y.shape}")
        values = y[:, 0]
        if output_scale is not None:
            step = np.float32(scale("Lookup.of: output_scale", output_scale))
            output = Output(byte("Lookup.of: output_zero_point", output_zero_point))
            values = quantize(values, scale=step, output=output)
        name = getattr(function, "name", getattr(function, "__name__", ""))
        return cls(values, name if isinstance(name, str) else "")

    def forward(self, x: Tensor) -> Tensor:
        """The entries."""
        (bytes_,) = bytes_of(self, x)
        return Tensor._wrap(lookup(bytes_, self.table._array))
