"""Models as standalone programs: a Python file that needs nothing but NumPy and computes the same.

`program` writes a line for each primitive of a trace, by its rule in `rules`; `functions`, `images` and
`operators` hold what those lines call, whose source `library` copies into the file.
"""

from tinytensor.io.python.writer import write

__all__ = ["write"]
