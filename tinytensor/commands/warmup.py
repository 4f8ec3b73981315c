"""Compile all kernels for this CPU, so that no later program waits for them.

They are kept in the user's cache folder, or in $TINYTENSOR_CACHE.
"""

import argparse
import importlib.util
import sys
import time

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(args: argparse.Namespace) -> None:
    """Compile, and say how long it took."""
    from tinytensor.kernels.cache import kernel_folder, unusable
    from tinytensor.warm import warmup

    begin = time.perf_counter()
    count = warmup(progress=sys.stdout.isatty() and bool(importlib.util.find_spec("rich")))
    reason = unusable()
    kept = f"not kept: {reason}" if reason else f"kept in {kernel_folder()}"
    print(f"{count} kernels in {time.perf_counter() - begin:.1f} s, {kept}")
