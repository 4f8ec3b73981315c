"""The layers that a `Sequential` composes, one a file; `tinytensor` itself is the table of contents."""

from typing import TYPE_CHECKING

from tinytensor.elsewhere import of_package

if not TYPE_CHECKING:
    __getattr__ = of_package(__name__)
