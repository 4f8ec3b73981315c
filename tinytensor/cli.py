"""The `tinytensor` command: a table of subcommands."""

import argparse
import importlib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from tinytensor import __version__
from tinytensor.commands.terminal import MISTAKE, exit_status
from tinytensor.text import did_you_mean, escaped

__all__ = ["Parser", "main"]

# Each is a module of tinytensor.commands with a first line that says what it does, `add_arguments(parser)`
# and `run(args)`, which returns an exit status if that is not 0. It leaves its heavy imports to `run`, so
# that --help is quick.
COMMANDS = ("bench", "convert", "inspect", "mnist", "warmup", "doctor")

INVALID_CHOICE = re.compile(r"invalid choice: '?(.*?)'? \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, and what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        wrong = INVALID_CHOICE.search(message)
        if wrong:
            message += did_you_mean(wrong[1], re.findall(r"[\w.-]+", wrong[2]))
        self.exit(MISTAKE, f"{self.prog}: {escaped(message, keep='')}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse what is not known, here where the options are known; a parser above would do it without."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            hint = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return known, unknown


def parser() -> Parser:
    """The parser of the whole command line."""
    whole = Parser(prog="tinytensor", description="Run trained neural networks on a CPU.", allow_abbrev=False)
    whole.add_argument("--version", action="version", version=f"tinytensor {__version__}")
    subparsers = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        command = importlib.import_module(f"tinytensor.commands.{name}")
        summary, _, details = (command.__doc__ or "").partition("\n")
        subparser = subparsers.add_parser(
            name,
            help=summary[0].lower() + summary.rstrip(".")[1:],
            description=summary,
            epilog=details.strip(),
            allow_abbrev=False,
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run, prog=subparser.prog)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit status.

    >>> main(["mnist", "--data", "nowhere"])
    2
    """
    return exit_status("tinytensor", lambda: run(parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> int:
    """Run the command that was asked for; its errors name it."""
    return exit_status(args.prog, lambda: args.run(args))
