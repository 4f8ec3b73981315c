"""The scalar x^y, by name; what compiled code makes of it stands in `power_code`."""

import math
from typing import Any

__all__ = ["power"]


def power(x: Any, y: Any) -> Any:
    """x^y with the ends of IEEE 754's pow; float32 at most 0.51 ULP off, float64 as the C library's pow.

    >>> power(2.0, -1.0)
    0.5
    """
    return math.pow(x, y)
