"""Compile all kernels now, so that no program waits for them.

They are kept in the user's cache folder, or in $TINYTENSOR_CACHE.
"""

import importlib.util
import json
import sys
import time

from tinytensor.commands.arguments import command_of, json_option

__all__ = ["command"]


@command_of("warmup", __doc__)
@json_option
def command(as_json: bool) -> None:
    """Compile, and say how long it took."""
    from tinytensor.kernels.cache import kernel_folder, unusable
    from tinytensor.warm import warmup

    begin = time.perf_counter()
    bar = sys.stdout.isatty() and not as_json and bool(importlib.util.find_spec("rich"))
    count, seconds, reason = warmup(progress=bar), time.perf_counter() - begin, unusable()
    folder = None if reason else kernel_folder()
    if as_json:
        print(json.dumps({"kernels": count, "seconds": seconds, "folder": folder, "not_kept": reason}))
        return
    kept = f"not kept: {reason}" if reason else f"kept in {folder}"
    print(f"{count} kernels in {seconds:.1f} s, {kept}")
