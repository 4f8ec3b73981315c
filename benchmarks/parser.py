"""A parser of arguments whose errors are one line."""

import argparse
import re
from typing import Any, NoReturn

from tinytensor.commands.terminal import MISTAKE
from tinytensor.text import did_you_mean, escaped

__all__ = ["Parser"]

INVALID_CHOICE = re.compile(r"invalid choice: '?(.*?)'? \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, and what may have been meant."""

    def error(self, message: str) -> NoReturn:
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
