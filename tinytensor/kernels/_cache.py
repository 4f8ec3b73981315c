"""The disk cache of compiled kernels: one file for each kernel, signature and CPU.

Numba's own cache keeps an index beside its data, which two processes that compile at once can leave pointing
at each other's data, and no checksum, so a flipped bit runs as machine code. What it loads first imports
Numba's whole compiler and SciPy, 0.45 s that a process which compiles nothing need not spend.

Whatever is wrong with the folder costs a compilation, never an exception.
"""

import contextlib
import hashlib
import os
import pickle
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import config
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from tinytensor.cache import cache_folder

__all__ = ["KernelCache", "cached_source", "kernel_folder", "source_stamp"]

PACKAGE = Path(__file__).parent.parent
SOURCES = ("kernels/*.py", "activations.py", "*/activations.py")  # what compiled kernels are made from
UNUSED_DAYS = 30
DIGEST_BYTES = 32


@cache
def source_stamp() -> str:
    """A digest of everything that a kernel depends on, but for the CPU."""
    versions = (numba.__version__, llvmlite.__version__, sys.implementation.cache_tag, config.BOUNDSCHECK)
    digest = hashlib.sha256(repr(versions).encode())
    for pattern in SOURCES:  # 0.1 MB in 1 ms
        for source in sorted(PACKAGE.glob(pattern)):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def cached_source(function: Callable[..., Any]) -> bool:
    """Whether the stamp changes with this function, so that what is compiled from it may be kept."""
    package, _, module = (function.__module__ or "").rpartition(".")  # one made by exec may have no module
    return package == "tinytensor.kernels" or (
        package.partition(".")[0] == "tinytensor" and module == "activations"
    )


def kernel_folder() -> Path:
    """Where this version's compiled kernels are kept."""
    return cache_folder() / f"kernels-{source_stamp()}"


def private(folder: Path) -> bool:
    """Whether nobody else may write into `folder`: what is unpickled from there runs as code.

    Raises:
        OSError: it is not there.
    """
    if os.name != "posix":
        return True
    status, parent = folder.lstat(), folder.parent.stat()
    others = stat.S_IWGRP | stat.S_IWOTH
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == parent.st_uid == os.getuid()
        and not status.st_mode & others
    )


def make_folder() -> bool:
    """Make the kernel folder if need be; whether it is private. Folders of versions long unused are removed.

    Raises:
        OSError: it is not there and cannot be made.
    """
    folder = kernel_folder()
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in folder.parent.glob("kernels-*"):
            with contextlib.suppress(OSError):
                if time.time() - other.stat().st_mtime > UNUSED_DAYS * 24 * 3600:
                    shutil.rmtree(other)
    return private(folder)


@cache
def mark_used(folder: Path) -> None:
    """Note that this version's kernels are in use, once a process."""
    with contextlib.suppress(OSError):
        os.utime(folder)


@cache
def announce_compilation() -> None:
    """One line a process, on a terminal only: a pause without a word looks like a hang."""
    if not sys.stderr.isatty():
        return
    try:
        kept = make_folder() and os.access(kernel_folder(), os.W_OK)
    except OSError:
        kept = False
    where = kernel_folder().parent
    when = f"once; they are kept in {where}" if kept else f"in every process, as {where} cannot be used"
    print(f"tinytensor: compiling kernels for this CPU, {when}", file=sys.stderr, flush=True)


class KernelCache(NullCache):
    """What Numba's dispatcher asks for a compiled signature before it compiles, and tells when it has."""

    def __init__(self, kernel_name: str):
        self.kernel_name = kernel_name

    def path(self, signature: Any, codegen: Any) -> Path:
        """The file of one signature on this CPU."""
        key = repr((str(signature), codegen.magic_tuple()))
        return kernel_folder() / f"{self.kernel_name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled signature, if it is there and whole."""
        path = self.path(sig, target_context.codegen())
        try:
            content = path.read_bytes() if private(path.parent) else b""
            digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
            if hashlib.sha256(payload).digest() == digest:
                mark_used(path.parent)
                rtsys.initialize(target_context)
                return CompileResult._rebuild(target_context, *pickle.loads(payload))
        except OSError:
            pass
        announce_compilation()
        return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Keep a compiled signature, whole or not at all."""
        path = self.path(sig, cres.codegen)
        with contextlib.suppress(OSError):
            if not make_folder():
                return
            payload = dumps(cres._reduce())
            descriptor, temporary = tempfile.mkstemp(dir=path.parent)
            try:
                with open(descriptor, "wb") as file:
                    file.write(hashlib.sha256(payload).digest() + payload)
                os.replace(temporary, path)
            except OSError:
                os.unlink(temporary)
                raise
