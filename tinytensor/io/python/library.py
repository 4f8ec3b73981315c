"""The functions in plain NumPy that a model's Python file may hold, and what each of them uses."""

import ast
import inspect
from collections.abc import Collection, Iterator
from functools import cache
from types import FunctionType

from tinytensor.io.python import functions, images, operators, quantized
from tinytensor.operators import pads, positions
from tinytensor.operators.table import NUMPY_MODULES
from tinytensor.primitives import resampling, resizing

__all__ = ["FUNCTIONS", "sources", "used_by"]

FUNCTIONS: dict[str, FunctionType] = {
    name: value
    for module in (
        functions,
        operators,
        images,
        quantized,
        resizing,
        resampling,
        pads,
        positions,
        *NUMPY_MODULES,
    )
    for name, value in vars(module).items()
    if isinstance(value, FunctionType) and value.__module__ == module.__name__
}


@cache
def source(name: str) -> tuple[str, set[str]]:
    """The text of a function, and the functions beside it that it names."""
    text = inspect.getsource(FUNCTIONS[name])
    text = text[text.index("def ") :]  # without decorators
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return text, names & FUNCTIONS.keys()


def used_by(name: str) -> set[str]:
    """A function and all that it uses."""
    found, wanted = set(), [name]
    while wanted:
        here = wanted.pop()
        if here not in found:
            found.add(here)
            wanted += source(here)[1]
    return found


def sources(names: Collection[str]) -> Iterator[str]:
    """The source of functions, in the order of their modules."""
    return (source(name)[0] for name in FUNCTIONS if name in names)
