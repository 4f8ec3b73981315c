"""The disk cache of compiled kernels: one file for each kernel, signature and CPU.

A file is the digest of its kernel's key and of the machine code, then the machine code. What is wrong with
the folder or with a file costs a compilation, never an exception.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from tinytensor.cache import cache_folder

__all__ = [
    "DIGEST_BYTES",
    "announce_compilation",
    "kernel_folder",
    "path_of",
    "read",
    "source_stamp",
    "unusable",
    "write",
]

PACKAGE = Path(__file__).parent.parent
SOURCES = ("kernels/*.py", "activations.py", "*/activations.py")  # what compiled kernels are made from
NUMBA_FILE = ".numba_config.yaml"  # which Numba reads where the process was started
UNUSED_DAYS = 30
DIGEST_BYTES = 32


def numba_version() -> bytes:
    """Numba's version without importing Numba: the file that states it."""
    found = importlib.util.find_spec("numba")
    places = (found and found.submodule_search_locations) or []
    return b"".join((Path(place) / "_version.py").read_bytes() for place in places)


def settings() -> list[tuple[str, str]]:
    """Everything that tells Numba to compile in another way."""
    found = sorted((name, value) for name, value in os.environ.items() if name.startswith("NUMBA_"))
    with contextlib.suppress(OSError):
        found.append((NUMBA_FILE, Path(NUMBA_FILE).read_text(errors="replace")))
    return found


@cache
def source_stamp() -> str:
    """A digest of everything that a kernel depends on, but for the CPU."""
    versions = (numba_version(), llvmlite.__version__, sys.implementation.cache_tag, settings())
    digest = hashlib.sha256(repr(versions).encode())
    for pattern in SOURCES:  # 0.1 MB in 1 ms
        for source in sorted(PACKAGE.glob(pattern)):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cpu() -> str:
    """This CPU, as LLVM knows it."""
    return f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"


def kernel_folder() -> Path:
    """Where this version's compiled kernels are kept."""
    return cache_folder() / f"kernels-{source_stamp()}"


def private(folder: Path) -> bool:
    """Whether nobody else may write into `folder`: what is loaded from there runs as code.

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


def path_of(key: str) -> Path:
    """The file of a kernel on this CPU; the key is the kernel's name and, after a space, its signature."""
    name, _, signature = key.partition(" ")
    return kernel_folder() / f"{name}-{digest(signature, b'').hex()[:16]}"


def digest(key: str, content: bytes) -> bytes:
    """What a file begins with."""
    return hashlib.sha256(repr((key, cpu(), source_stamp())).encode() + content).digest()


def read(key: str) -> bytes | None:
    """The kernel's machine code, if it is there and whole."""
    path = path_of(key)
    try:
        content = path.read_bytes() if private(path.parent) else b""
    except OSError:
        return None
    found = content[DIGEST_BYTES:]
    if digest(key, found) != content[:DIGEST_BYTES]:
        return None
    mark_used(path.parent)
    return found


def write(key: str, content: bytes) -> None:
    """Keep a kernel's machine code, whole or not at all."""
    path = path_of(key)
    with contextlib.suppress(OSError):
        if not make_folder():
            return
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(digest(key, content) + content)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise


def kept(key: str, make: Callable[[], bytes]) -> bytes:
    """The kernel's machine code from the cache, or else made and kept there."""
    found = read(key)
    if found is None:
        announce_compilation()
        found = make()
        write(key, found)
    return found


def unusable() -> str | None:
    """Why nothing can be kept in the kernel folder; None if it can."""
    folder = kernel_folder()
    try:
        if not make_folder():
            return f"{folder}: others may write there, or it is not yours"
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"{folder}: {error.strerror}"


@cache
def announce_compilation() -> None:
    """One line a process: a pause without a word looks like a hang, and one in every process is a mistake."""
    reason = unusable()
    if reason:
        line = f"compiling kernels in every process; they cannot be kept in {reason} (see $TINYTENSOR_CACHE)"
    elif sys.stderr.isatty():
        line = f"compiling kernels for this CPU, once; they are kept in {kernel_folder().parent}"
    else:
        return
    print(f"tinytensor: {line}", file=sys.stderr, flush=True)
