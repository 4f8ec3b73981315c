"""`FromInt8` and `ToInt8`: the bytes of a file that are int8, and ours, which are uint8."""

from typing import final

import numpy as np

from tinytensor.errors import DtypeError
from tinytensor.layers.layer import Layer
from tinytensor.layers.quantized import bytes_of
from tinytensor.primitives.quantized import flip
from tinytensor.tensors import Tensor

__all__ = ["FromInt8", "ToInt8"]


@final
class FromInt8(Layer):
    """y = x + 128; int8 of any shape → uint8. A zero point moves with the values.

    Raises:
        DtypeError: x is not int8.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> tt.FromInt8()(tt.Tensor([-128, 0, 127], np.int8)).tolist()
    [0, 128, 255]
    """

    def forward(self, x: Tensor) -> Tensor:
        """The bytes."""
        if x.dtype != np.int8:
            raise DtypeError(
                f"{self!r}: expected int8, got {x.dtype}; the model takes quantised samples: "
                "rint(x / scale) + zero_point as int8"
            )
        return Tensor._wrap(flip(x._array))


@final
class ToInt8(Layer):
    """y = x - 128; uint8 of any shape → int8.

    Raises:
        DtypeError: x is not uint8.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> tt.ToInt8()(tt.Tensor([0, 128, 255], np.uint8)).tolist()
    [-128, 0, 127]
    """

    def forward(self, x: Tensor) -> Tensor:
        """The whole numbers."""
        (bytes_,) = bytes_of(self, x)
        return Tensor._wrap(flip(bytes_))
