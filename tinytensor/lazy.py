"""Names that are imported when they are first used, read off the imports that a type checker sees."""

import ast
from functools import cache
from pathlib import Path

__all__ = ["places"]


@cache
def places(path: str) -> dict[str, str]:
    """The module of each name that the file imports.

    >>> from tinytensor import contents
    >>> places(contents.__file__)["Linear"]
    'tinytensor.layers.linear'
    """
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {each.name: node.module or "" for node in imports for each in node.names}
