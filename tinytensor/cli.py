"""The `tinytensor` command: a table of subcommands, and what all of them owe to a terminal."""

import _thread
import argparse
import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import NoReturn

from tinytensor import __version__
from tinytensor.errors import TinyTensorError
from tinytensor.text import escaped

__all__ = ["main"]

# Each is a module of tinytensor.commands with a first line that says what it does, `add_arguments(parser)`
# and `run(args)`. It leaves its heavy imports to `run`, so that --help is quick.
COMMANDS = ("bench", "convert", "inspect", "mnist", "warmup", "doctor")

MISTAKE, INTERRUPTED, PIPE_CLOSED = 2, 130, 141  # as shells count: 128 + the signal's number


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(MISTAKE, f"{self.prog}: {message}; see {self.prog} --help\n")


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


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the program even while LLVM compiles, which for a first run is most of the time.

    LLVM calls back into Python, where a KeyboardInterrupt is reported and forgotten; it is sent once more.
    """

    def report(forgotten: "sys.UnraisableHookArgs") -> None:
        if forgotten.exc_type is KeyboardInterrupt:
            threading.Timer(0.1, _thread.interrupt_main).start()
        else:
            before(forgotten)

    before, sys.unraisablehook = sys.unraisablehook, report
    try:
        yield
    finally:
        sys.unraisablehook = before


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit status.

    What the user can have caused is one line on stderr and status 2, never a traceback. Ctrl-C and a closed
    pipe end quietly.

    >>> main(["mnist", "--data", "nowhere"])
    2
    """
    prog = "tinytensor"
    try:
        try:
            args = parser().parse_args(arguments)
            prog = args.prog
            with interruptible():
                args.run(args)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except TinyTensorError as error:
        print(escaped(f"{prog}: {error}"), file=sys.stderr)
        return MISTAKE
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else error
        print(escaped(f"{prog}: {reason}"), file=sys.stderr)
        return MISTAKE
    return 0
