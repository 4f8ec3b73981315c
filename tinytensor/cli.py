"""The `tinytensor` command; `tinytensor.commands` has its subcommands."""

import os
import sys
from collections.abc import Sequence

from tinytensor.commands.terminal import exit_status
from tinytensor.errors import require

__all__ = ["main"]

PROGRAM = "tinytensor"
COMPLETION = "_TINYTENSOR_COMPLETE"  # set by a shell that completes words, as click defines it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit status.

    >>> main(["mnist", "--data", "nowhere"])
    2
    """
    return exit_status(PROGRAM, lambda: run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: list[str]) -> int:
    """Run the command that was asked for; its errors name it.

    Raises:
        MissingExtra: click, which reads the arguments, is not installed.
    """
    require("click", extra="cli")
    from tinytensor.commands import group

    if os.environ.get(COMPLETION):
        return group.complete(PROGRAM, COMPLETION, os.environ[COMPLETION])
    return group.run(PROGRAM, arguments)
