"""The class of all commands, and types of arguments that several of them take."""

import os
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

import tinytensor as tt
from tinytensor.commands.terminal import exit_status
from tinytensor.text import did_you_mean

__all__ = [
    "Choice",
    "Command",
    "ModelName",
    "command_of",
    "count",
    "force_option",
    "json_option",
    "load_model",
    "model_argument",
    "parse_names",
    "refuse_existing",
    "shape",
]


class Command(click.Command):
    """A command whose errors are one line on stderr that names it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; every error knows its command."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; returns its exit status."""
        return exit_status(ctx.command_path, lambda: super(Command, self).invoke(ctx))


def command_of(name: str, about: str | None) -> Callable[[Callable[..., Any]], click.Command]:
    """A decorator: the command of that name, whose help is the docstring of its module."""
    return click.command(name, cls=Command, help=about)


class Choice(click.Choice[str]):
    """One of several words; an error says which may have been meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word."""
        if value not in self.choices:
            known = ", ".join(self.choices)
            self.fail(
                f"expected one of {known}, got {value!r}{did_you_mean(value, self.choices)}", param, ctx
            )
        return str(value)


class Parsed(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.2
    """A type made of a function that raises ValueError."""

    def __init__(self, name: str, parse: Callable[[str], Any]):
        self.name, self.parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value."""
        try:
            return self.parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_count(text: str) -> int:
    """A whole number from 1.

    >>> parse_count("12")
    12
    """
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def parse_shape(text: str) -> tuple[int, ...]:
    """Lengths with commas or × between them.

    >>> parse_shape("28,28"), parse_shape("784"), parse_shape("28x28")
    ((28, 28), (784,), (28, 28))
    """
    try:
        return tuple(map(parse_count, text.replace("x", ",").replace("×", ",").split(",")))
    except ValueError:
        raise ValueError(f"expected whole numbers from 1, as 28,28, got {text!r}") from None


def parse_names(text: str) -> tuple[str, ...]:
    """Words with commas between them.

    >>> parse_names("id,label")
    ('id', 'label')
    """
    return tuple(text.split(","))


count, shape = Parsed("number", parse_count), Parsed("shape", parse_shape)


class ModelName(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.2
    """The path of a model's file, or the name of a model that comes with the package."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The packaged names, then files."""
        names = [CompletionItem(name) for name in tt.models.__all__ if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


def model_argument(metavar: str = "MODEL") -> Callable[[Any], Any]:
    """A decorator: the argument `model`."""
    return click.argument("model", metavar=metavar, type=ModelName())


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the option --json, as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for another program.")(function)


def force_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the option --force."""
    return click.option("--force", is_flag=True, help="Replace OUT if it exists.")(function)


def refuse_existing(output: str, force: bool) -> None:
    """Raise if there is such a file, unless it may be replaced."""
    if not force and os.path.lexists(output):
        raise tt.ArgumentError(f"{output}: exists already; --force replaces it")


def load_model(name: str) -> Any:
    """The model in a file, or the packaged one of that name; a file so named is `./NAME`.

    Raises:
        ArgumentError: there is neither.

    >>> type(load_model("mnist_mlp")).__name__
    'Sequential'
    """
    packaged = tt.models.__all__
    if name in packaged:
        return getattr(tt.models, name)()
    if not os.path.lexists(name):
        raise tt.ArgumentError(
            f"{name}: no such file; expected one, or a model that comes with the package: "
            f"{', '.join(packaged)}{did_you_mean(name, packaged)}"
        )
    model = tt.load(name)
    return model if hasattr(model, "predict") else tt.Sequential(model)
