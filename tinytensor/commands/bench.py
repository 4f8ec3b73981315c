"""Measure tinytensor against what you would pick instead; from a checkout.

The suites live in the repository's folder benchmarks/, which is not installed with the package.
"""

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType

from tinytensor.cli import Parser
from tinytensor.errors import ArgumentError, MissingExtra

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
    """Whatever `python -m benchmarks` takes; what that is, the suites say when they are run."""
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="as of python -m benchmarks; none lists them"
    )


def run(args: argparse.Namespace) -> int:
    """Run them; returns their exit status.

    Raises:
        ArgumentError: this is no checkout.
        MissingExtra: what the suites need is not installed.
    """
    found = suites()
    if found is None:
        raise ArgumentError(
            "the suites come with a checkout, not with the package; there, run: python -m tinytensor bench"
        )
    parser = Parser(prog="tinytensor bench", description=__doc__, allow_abbrev=False)
    try:
        found.add_arguments(parser)
    except ImportError as error:
        raise MissingExtra(f'{error}; it comes with: pip install -e ".[bench]"') from error
    status: int = found.run(parser.parse_args(args.arguments))
    return status
