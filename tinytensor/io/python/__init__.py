"""Models as standalone programs: a Python file that needs nothing but NumPy and computes the same.

`layers` and `operators` hold what each layer and operation is in NumPy; `writer` copies the source of those
that a model uses into its file.
"""

from tinytensor.io.python.writer import write

__all__ = ["write"]
