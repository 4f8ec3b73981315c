"""Names that are imported when they are first used, read off the imports that a type checker sees."""

import re
from functools import cache

__all__ = ["places"]

# with parentheses, or the rest of the line; `ast` would take a millisecond
IMPORTS = re.compile(r"^ *from (\S+) import (?:\(([^)]*)\)|(.+))", re.MULTILINE)


@cache
def places(path: str) -> dict[str, str]:
    """The module of each name that the file imports.

    >>> from tinytensor import contents
    >>> places(contents.__file__)["Linear"]
    'tinytensor.layers.linear'
    """
    with open(path, encoding="utf-8") as file:
        imports = IMPORTS.findall(file.read())
    return {
        name: module
        for module, several, rest in imports
        for name in (several or rest).replace(",", " ").split()
    }
