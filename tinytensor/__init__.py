"""Run trained neural networks on a CPU, in batches.

`tinytensor.contents` is the table of contents: every name in it is a name of this package. A name's module is
imported when it is first used.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

PUBLIC_MODULES = ("activations", "datasets", "distributed", "initializers", "io", "models", "plot")

if TYPE_CHECKING:
    from tinytensor import activations as activations
    from tinytensor import datasets as datasets
    from tinytensor import distributed as distributed
    from tinytensor import initializers as initializers
    from tinytensor import io as io
    from tinytensor import models as models
    from tinytensor import plot as plot
    from tinytensor.contents import *  # noqa: F403

else:  # a type checker would take every name for one that __getattr__ knows
    from importlib import import_module

    def __getattr__(name):
        if name in PUBLIC_MODULES:
            return import_module(f"tinytensor.{name}")
        contents = import_module("tinytensor.contents")
        if name != "__all__" and name not in contents.__all__:
            from importlib.util import find_spec

            from tinytensor.elsewhere import hint
            from tinytensor.text import did_you_mean

            if find_spec(f"tinytensor.{name}"):
                return import_module(f"tinytensor.{name}")

            end = hint(name) or did_you_mean(name, (*contents.__all__, *PUBLIC_MODULES), "tt.{}")
            # with the name given, Python adds no suggestion of its own
            raise AttributeError(f"module 'tinytensor' has no attribute {name!r}{end}", name=name, obj=None)
        globals()[name] = getattr(contents, name)
        return globals()[name]

    def __dir__():
        return sorted({*import_module("tinytensor.contents").__all__, *PUBLIC_MODULES, "__version__"})
