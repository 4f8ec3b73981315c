"""Run trained neural networks on a CPU, in batches, as fast as the silicon allows.

`tinytensor.contents` is the table of contents: every name in it is a name of this package. A name's module is
imported when it is first used.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinytensor.contents import *  # noqa: F403

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if find_spec(f"tinytensor.{name}"):
        return import_module(f"tinytensor.{name}")
    contents = import_module("tinytensor.contents")
    if name != "__all__" and name not in contents.__all__:
        raise AttributeError(f"module 'tinytensor' has no attribute {name!r}")
    value = getattr(contents, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module("tinytensor.contents").__all__})
