"""The table of subcommands; the module of each is imported when its name is given."""

import importlib
import sys
from typing import Any

import click

from tinytensor import __version__
from tinytensor.commands.terminal import MISTAKE, mistake
from tinytensor.text import did_you_mean

__all__ = ["COMMANDS", "complete", "run"]

# Each is a module of tinytensor.commands with a click command named `command`, which returns an exit status
# if that is not 0. It leaves heavy imports to that function, so that --help and completion are quick.
COMMANDS = (
    "convert", "demo", "doctor", "explain", "inspect", "mnist", "plot", "predict", "quantize", "summary",
    "verify", "warmup",
)  # fmt: skip

ABOUT = """Run trained neural networks on a CPU.

MODEL is a file of any format that tinytensor reads, or a model that comes with the package: mnist_mlp or
mnist_cnn. `tinytensor COMMAND --help` describes a command.
"""


class Commands(click.Group):
    """A group whose commands are modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"tinytensor.commands.{name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command that the first argument names; an error says which name may have been meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


group = Commands("tinytensor", help=ABOUT)
click.version_option(__version__, message=f"tinytensor {__version__}")(group)


def run(program: str, arguments: list[str]) -> int:
    """Parse the arguments and run the command; a wrong argument is one line on stderr and status 2."""
    try:
        if not arguments:
            with group.make_context(program, ["--help"], resilient_parsing=True) as context:
                print(group.get_help(context), file=sys.stderr)
            return MISTAKE
        with group.make_context(program, arguments) as context:
            status: int | None = group.invoke(context)
            return status or 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        context_ = getattr(error, "ctx", None)
        path = context_.command_path if context_ else program
        return mistake(path, f"{sentence(error)}; see {path} --help", keep="")


def sentence(error: click.ClickException) -> str:
    """What click says is wrong, and for an unknown option which one may have been meant."""
    if isinstance(error, click.NoSuchOption):
        known = [name for each in error.ctx.command.params for name in each.opts] if error.ctx else []
        return f"no option {error.option_name}{did_you_mean(error.option_name, known)}"
    message = error.format_message().rstrip(".")
    return message[:1].lower() + message[1:]


def complete(program: str, variable: str, instruction: str) -> int:
    """Answer the shell that completes a word, or print the script that makes it ask."""
    from click.shell_completion import shell_complete

    return shell_complete(group, {}, program, variable, instruction)
