"""From a model to the text of a Python file: its functions, the functions that these use, the weights."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinytensor import __version__
from tinytensor.io.python.program import Program
from tinytensor.io.traced import examples_of, inputs_of, written
from tinytensor.layers.layer import Layer

__all__ = ["write"]

HEAD = '''"""A trained network as a program that needs nothing but NumPy, written by tinytensor {version}.

predict(x) gives the outputs for a batch of samples, anything array-like; on the command line:

    python this_file.py x.npy y.npy

{model}
"""

import base64
import math
import sys
from typing import Any

import numpy as np

Array = np.ndarray
'''
ARRAY = '''
def array(dtype: str, shape: Any, text: str) -> Any:
    """The array whose little-endian bytes the text is in base 64."""
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


'''
TAIL = """
if __name__ == "__main__":
    paths = sys.argv[1:]
    if not INPUTS <= len(paths) <= INPUTS + 1:
        sys.exit(f"usage: python {sys.argv[0]} {' '.join(['x.npy'] * INPUTS)} [y.npy]")
    y = predict(*(np.load(path, allow_pickle=False) for path in paths[:INPUTS]))
    if len(paths) > INPUTS:
        np.save(paths[INPUTS], y)
    else:
        print(y)
"""


def write(path: Path, model: Layer, shape: Any = None) -> None:
    """Write a model as a program.

    Raises:
        UnsupportedOp: a layer cannot be traced; says which, and why.
        ShapeError: the shape of a sample has to be given.
        OSError: the disk does not take it.
    """
    forms = inputs_of("save", model, shape)
    program, inputs = written(
        "save", model, forms, lambda form: Program(model, examples_of(form)), Program.same
    )
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        shown = repr(model).replace("\\", "\\\\").replace('"""', "…")
        file.write(HEAD.format(version=__version__, model=shown))
        file.writelines(f"\n{source}\n" for source in program.sources())
        file.write(ARRAY)
        file.write("\n\n".join("\n".join(lines) + "\n" for lines in program.functions))
        file.write("\n\nW = {\n")
        for name, values in program.constants.items():
            file.writelines(embedded(name, values))
        file.write(f"}}\nINPUTS = {len(inputs)}\n\n{TAIL}")


def embedded(name: str, values: Any) -> Iterator[str]:
    """One array of the weights."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    yield f"    {name!r}: array({little.dtype.str!r}, {values.shape}, '''\n"
    yield base64.encodebytes(little.tobytes()).decode("ascii")
    yield "'''),\n"
