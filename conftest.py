"""What pytest must know before it collects the doctests of all modules."""

from importlib.util import find_spec

collect_ignore = ["tests/io/make_keras.py"]  # a script for who has Keras
if not find_spec("torch"):
    collect_ignore.append("tinytensor/io/torch_modules.py")  # derives from PyTorch's classes
