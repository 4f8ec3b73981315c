"""What pytest must know before it collects the package's doctests."""

from importlib.util import find_spec

# The one module that imports an optional library when it is imported itself, for classes to derive from.
collect_ignore = [] if find_spec("torch") else ["tinytensor/io/torch_modules.py"]
