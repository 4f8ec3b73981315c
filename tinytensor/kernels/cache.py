"""The disk cache of compiled kernels: one file for each kernel, signature and CPU.

A file is the digest of its kernel's key and of the machine code, then the machine code. What is wrong with
the folder or with a file costs a compilation, never an exception.
"""

import contextlib
import ctypes
import importlib.util
import os
import stat
import sys
import time
from collections.abc import Callable
from functools import cache
from glob import glob

import llvmlite

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

PACKAGE = os.path.dirname(os.path.dirname(__file__))
SOURCES = ("kernels/*.py", "activations.py", "*/activations.py")  # what compiled kernels are made from
NUMBA_FILE = ".numba_config.yaml"  # which Numba reads where the process was started
UNUSED_DAYS = 30
DIGEST_BYTES = 8
LEAVES = 16  # of what an x86 CPU says of itself; this C library and later ones list as many or fewer


def content_of(path: str) -> bytes:
    """A file's bytes."""
    with open(path, "rb") as file:
        return file.read()


def numba_version() -> bytes:
    """Numba's version without importing Numba: the file that states it."""
    found = importlib.util.find_spec("numba")
    places = (found and found.submodule_search_locations) or []
    return b"".join(content_of(os.path.join(place, "_version.py")) for place in places)


def settings() -> list[tuple[str, str | bytes]]:
    """Everything that tells Numba to compile in another way."""
    found: list[tuple[str, str | bytes]] = sorted(
        (name, value) for name, value in os.environ.items() if name.startswith("NUMBA_")
    )
    with contextlib.suppress(OSError):
        found.append((NUMBA_FILE, content_of(NUMBA_FILE)))
    return found


@cache
def source_stamp() -> str:
    """A digest of everything that a kernel depends on, but for the CPU."""
    versions = (numba_version(), llvmlite.__version__, sys.implementation.cache_tag, settings())
    names = (name for pattern in SOURCES for name in sorted(glob(pattern, root_dir=PACKAGE)))
    sources = b"".join(content_of(os.path.join(PACKAGE, name)) for name in names)  # 0.4 MB in 1 ms
    return importlib.util.source_hash(repr(versions).encode() + sources).hex()


def kind_of_cpu() -> str:
    """All that LLVM asks an x86 CPU and its system, as the C library knows it; elsewhere nothing."""
    try:
        leaf = ctypes.pythonapi["__x86_get_cpuid_feature_leaf"]
    except AttributeError:  # another CPU, another system, or one older than 2021
        return ""
    leaf.restype = ctypes.POINTER(ctypes.c_uint32 * 8)
    found = [list(leaf(number).contents) for number in range(LEAVES)]
    found[0][1] = 0  # which core was asked
    return repr(found)


@cache
def cpu() -> str:
    """This CPU, as LLVM knows it: system, name and features. It is kept, as LLVM takes 25 ms to load."""
    kind = kind_of_cpu()
    kept = read("cpu", kind) if kind else None
    if kept is not None:
        return kept.decode()
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features().flatten()
    found = f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features}"
    if kind:
        write("cpu", found.encode(), kind)
    return found


def kernel_folder() -> str:
    """Where this version's compiled kernels are kept."""
    return os.path.join(cache_folder(), f"kernels-{source_stamp()}")


def private(folder: str) -> bool:
    """Whether nobody else may write into `folder`: what is loaded from there runs as code.

    Raises:
        OSError: it is not there.
    """
    if os.name != "posix":
        return True
    status, parent = os.lstat(folder), os.stat(os.path.dirname(folder))
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
    if not os.path.exists(folder):
        import shutil

        os.makedirs(folder, mode=0o700, exist_ok=True)
        parent = os.path.dirname(folder)
        for name in glob("kernels-*", root_dir=parent):
            other = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                if time.time() - os.stat(other).st_mtime > UNUSED_DAYS * 24 * 3600:
                    shutil.rmtree(other)
    return private(folder)


@cache
def mark_used(folder: str) -> None:
    """Note that this version's kernels are in use, once a process."""
    with contextlib.suppress(OSError):
        os.utime(folder)


def path_of(key: str, machine: str = "") -> str:
    """The file of a kernel on this CPU; the key is the kernel's name and, after a space, its signature."""
    name, _, signature = key.partition(" ")
    return os.path.join(kernel_folder(), f"{name}-{digest(signature, b'', machine).hex()}")


def digest(key: str, content: bytes, machine: str = "") -> bytes:
    """What a file begins with: 64 bits against damage; nobody else may write there."""
    about = repr((key, machine or cpu(), source_stamp())).encode()
    return importlib.util.source_hash(about + content)


def read(key: str, machine: str = "") -> bytes | None:
    """The kernel's machine code, if it is there and whole; `machine`: what it is for, by default this CPU."""
    path = path_of(key, machine)
    try:
        content = content_of(path) if private(os.path.dirname(path)) else b""
    except OSError:
        return None
    found = content[DIGEST_BYTES:]
    if digest(key, found, machine) != content[:DIGEST_BYTES]:
        return None
    mark_used(os.path.dirname(path))
    return found


def write(key: str, content: bytes, machine: str = "") -> None:
    """Keep a kernel's machine code, whole or not at all."""
    import tempfile

    path = path_of(key, machine)
    with contextlib.suppress(OSError):
        if not make_folder():
            return
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
        try:
            with open(descriptor, "wb") as file:
                file.write(digest(key, content, machine) + content)
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
    import tempfile

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
        line = f"compiling kernels for this CPU, once; they are kept in {cache_folder()}"
    else:
        return
    print(f"tinytensor: {line}", file=sys.stderr, flush=True)
