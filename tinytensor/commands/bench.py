"""Measure tinytensor against what you would pick instead; from a checkout.

The suites live in the repository's folder benchmarks/, which is not installed with the package.
"""

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType

from tinytensor.errors import ArgumentError

__all__ = ["add_arguments", "run"]

ROOT = Path(__file__).parents[2]


def suites() -> ModuleType | None:
    """`benchmarks.command` of the checkout that this module lies in, if it lies in one."""
    if not (ROOT / "benchmarks" / "command.py").is_file():
        return None
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module("benchmarks.command")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `python -m benchmarks`."""
    found = suites()
    if found:
        found.add_arguments(parser)
    else:
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help="only in a checkout")


def run(args: argparse.Namespace) -> None:
    """Run them; a status that is not 0 ends the program.

    Raises:
        ArgumentError: this is no checkout.
    """
    found = suites()
    if found is None:
        raise ArgumentError(
            "the suites come with a checkout, not with the package; there, run: python -m tinytensor bench"
        )
    status = found.run(args)
    if status:
        sys.exit(status)
