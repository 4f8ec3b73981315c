"""Types of arguments that several commands take."""

import argparse

__all__ = ["count"]


def count(text: str) -> int:
    """A whole number from 1.

    >>> count("12")
    12
    """
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)
