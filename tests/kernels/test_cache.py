"""The disk cache: found again, never trusted blindly, never in the way."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import llvmlite.binding as llvm
import numpy as np
import pytest

from tinytensor import activations, mapping
from tinytensor.kernels import cache, matmul
from tinytensor.kernels import compile as compile_module
from tinytensor.kernels.compile import compile_kernel
from tinytensor.kernels.declare import Kernel, parse
from tinytensor.kernels.elementwise import in_sources
from tinytensor.operators import activations as other_activations

SIGNATURE = "void(f32*, f32*, i64)"


def add_one(x, y, count):
    for i in range(count):
        y[i] = x[i] + 1


def key(name):
    return f"{name} {SIGNATURE}"


@pytest.fixture
def compilations(monkeypatch):
    """How many kernels have been compiled."""
    seen = SimpleNamespace(count=0)

    def counted(*arguments, **options):
        seen.count += 1
        return compile_kernel(*arguments, **options)

    monkeypatch.setattr(compile_module, "compile_kernel", counted)
    return seen


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache for each test; the kernel folder in it need not exist yet."""
    cache.cpu()  # is kept, too, where it is asked for first
    monkeypatch.setenv("TINYTENSOR_CACHE", str(tmp_path / "cache"))
    return Path(cache.kernel_folder())


def run(name="add_one"):
    """What a new process does: a kernel that has compiled nothing yet is called."""
    x, y = np.arange(5, dtype=np.float32), np.empty(5, np.float32)
    Kernel(name, SIGNATURE, lambda: add_one)(x, y, 5)
    assert y.tolist() == [1, 2, 3, 4, 5]


def test_a_second_process_compiles_nothing(folder, compilations):
    run()
    assert compilations.count == 1
    assert len(list(folder.iterdir())) == 1
    run()
    assert compilations.count == 1
    run("another")
    assert compilations.count == 2


SCRIPT = """
import sys
import numpy as np
import tinytensor as tt
y = tt.sigmoid([0.0, 1.0]) + 1
assert np.allclose(y, [1.5, 1.7310586]), y
print("numba" in sys.modules)
"""


def start_process():
    return subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)


def test_processes_that_compile_at_once_and_one_that_comes_later(folder):
    together = [start_process(), start_process()]
    for process in together:
        assert process.communicate()[0] == "True\n"
        assert process.returncode == 0
    names = [path.name.rpartition("-")[0] for path in folder.iterdir()]
    assert len(names) == len(set(names))  # one file a kernel, nothing temporary left
    later = start_process()
    assert later.communicate()[0] == "False\n"
    assert later.returncode == 0


def damaged(content):
    """Ways in which a file's content may have been damaged."""
    for length in (0, 1, cache.DIGEST_BYTES - 1, cache.DIGEST_BYTES, len(content) // 2, len(content) - 1):
        yield content[:length]
    yield content + b"\0"
    yield b"\x80\x04garbage" * 100
    rng = np.random.default_rng(0)
    for position in (*range(cache.DIGEST_BYTES + 8), *rng.integers(0, len(content), 20)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << rng.integers(8)
        yield bytes(flipped)


def test_a_damaged_file_is_compiled_again(folder, compilations):
    run()
    (path,) = folder.iterdir()
    content = path.read_bytes()
    cases = list(damaged(content))
    for case in cases:
        path.write_bytes(case)
        assert cache.read(key("add_one")) is None
    run()
    assert compilations.count == 2
    run()
    assert compilations.count == 2


def use_file_as_folder(folder):
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("no folder")


def use_kernel_file_as_folder(folder):
    folder.parent.mkdir()
    folder.write_text("no folder")


def use_folder_that_cannot_be_made(folder):
    os.environ["TINYTENSOR_CACHE"] = f"{os.devnull}/cache"


@pytest.mark.parametrize(
    "spoil", [use_file_as_folder, use_kernel_file_as_folder, use_folder_that_cannot_be_made]
)
def test_a_folder_that_cannot_be_used_costs_a_compilation_only(folder, compilations, spoil):
    spoil(folder)
    run()
    run()
    assert compilations.count == 2


def refuse(*arguments, **options):
    raise PermissionError(13, "Permission denied")


def test_a_read_only_folder_is_read(folder, compilations, monkeypatch):
    run()
    folder.chmod(0o500)
    monkeypatch.setattr(cache.os, "utime", refuse)  # root is refused nothing otherwise
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    run()
    assert compilations.count == 1
    run("another")
    assert compilations.count == 2


def test_a_full_disk_leaves_no_file_behind(folder, compilations, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    run()
    assert list(folder.iterdir()) == []


@pytest.fixture
def trap(folder):
    """A file that our own digest approves of, and whose machine code adds two."""
    run()
    (path,) = folder.iterdir()
    payload = compile_kernel("add_one", parse(SIGNATURE), add_two)
    path.write_bytes(cache.digest(key("add_one"), payload) + payload)


def add_two(x, y, count):
    for i in range(count):
        y[i] = x[i] + 2


posix = pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")


def test_the_trap_works(trap):
    with pytest.raises(AssertionError):
        run()


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o770, 0o777])
def test_a_folder_that_others_may_write_is_not_trusted(folder, trap, mode):
    folder.chmod(mode)
    run()


@posix
def test_a_link_to_a_folder_is_not_trusted(folder, trap):
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to(folder.parent / "elsewhere")
    run()


@posix
@pytest.mark.parametrize("whose", ["the folder", "the one above it"])
def test_a_folder_of_someone_else_is_not_trusted(folder, trap, whose, monkeypatch):
    spoiled = folder if whose == "the folder" else folder.parent
    if os.getuid():
        pytest.skip("only root may give a folder away")
    os.chown(spoiled, 12345, -1)
    run()


@posix
def test_the_folder_is_made_private(folder):
    run()
    assert folder.stat().st_mode & 0o777 == 0o700
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_of_source_or_version_changes_the_folder(tmp_path, monkeypatch):
    for name in ("kernels/a.py", "activations.py", "operators/activations.py", "other.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
    monkeypatch.setattr(cache, "PACKAGE", tmp_path)

    def stamp():
        cache.source_stamp.cache_clear()
        return cache.source_stamp()

    try:
        seen = [stamp()]
        for name in ("kernels/a.py", "activations.py", "operators/activations.py"):
            (tmp_path / name).write_text("2")
            seen.append(stamp())
        (tmp_path / "kernels/b.py").write_text("1")
        seen.append(stamp())
        monkeypatch.setattr(cache, "numba_version", lambda: b"0.0")
        seen.append(stamp())
        monkeypatch.setenv("NUMBA_OPT", "0")
        seen.append(stamp())
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".numba_config.yaml").write_text("opt: 0")
        seen.append(stamp())
        assert len(set(seen)) == len(seen)
        (tmp_path / "other.py").write_text("2")
        assert stamp() == seen[-1]
    finally:
        monkeypatch.undo()
        cache.source_stamp.cache_clear()


def test_only_what_the_stamp_covers_is_kept():
    def mine(x):
        return x

    for function in (activations.relu.scalar, other_activations.celu.scalar, matmul.matmul):
        assert in_sources(function)
    for function in (mine, mapping.exp):
        assert not in_sources(function)


def test_what_llvm_says_of_the_cpu_is_kept_for_that_cpu(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: asked.append(1) or "name")

    def ask(kind):
        monkeypatch.setattr(cache, "kind_of_cpu", lambda: kind)
        return cache.cpu.__wrapped__()

    first = ask("one")
    assert first.split()[1] == "name"
    assert (ask("one"), len(asked)) == (first, 1)
    (path,) = folder.iterdir()
    for case in damaged(path.read_bytes()):
        path.write_bytes(case)
        asked.clear()
        assert (ask("one"), ask("one"), len(asked)) == (first, first, 1)
    assert (ask("another"), len(asked)) == (first, 2)
    assert (ask(""), ask(""), len(asked)) == (first, first, 4)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot choose their core")
def test_every_core_says_the_same():
    cores = os.sched_getaffinity(0)
    found = set()
    try:
        for core in cores:
            os.sched_setaffinity(0, {core})
            found.add(cache.kind_of_cpu())
    finally:
        os.sched_setaffinity(0, cores)
    assert len(found) == 1


def test_a_file_belongs_to_one_kernel_and_cpu(monkeypatch):
    keys = ["name void(f32*)", "name void()", "other void()"]
    seen = {cache.path_of(key) for key in keys}
    monkeypatch.setattr(cache, "cpu", lambda: "x86_64 znver1 +avx2")
    seen |= {cache.path_of(key) for key in keys}
    monkeypatch.setattr(cache, "cpu", lambda: "x86_64 znver1 +avx2,+fma")
    seen |= {cache.path_of(key) for key in keys}
    assert len(seen) == 9


def test_a_file_under_another_name_is_not_that_kernel(folder, compilations):
    run("one")
    run("other")
    one, other = sorted(folder.iterdir())
    content = one.read_bytes()
    other.write_bytes(content)
    assert cache.read(key("other")) is None
    run("other")
    assert compilations.count == 3


def test_kernels_of_versions_long_unused_are_removed(folder, compilations):
    old, recent, other = (folder.parent / name for name in ("kernels-old", "kernels-recent", "mnist"))
    for each in (old, recent, other):
        each.mkdir(parents=True)
        (each / "file").touch()
    long_ago = time.time() - (cache.UNUSED_DAYS + 1) * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    os.utime(other, (long_ago, long_ago))
    run()
    assert not old.exists()
    assert recent.exists()
    assert other.exists()


def test_use_marks_the_folder(folder):
    run()
    os.utime(folder, (1, 1))
    run()
    assert folder.stat().st_mtime > 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def stderr(monkeypatch):
    stream = Terminal()
    # pytest changes sys.stderr itself between a fixture and its test
    monkeypatch.setattr(cache, "sys", SimpleNamespace(stderr=stream, implementation=sys.implementation))
    cache.announce_compilation.cache_clear()
    yield stream
    cache.announce_compilation.cache_clear()


def test_a_terminal_is_told_once_and_only_when_something_compiles(folder, stderr):
    run()
    run("another")
    where = folder.parent
    assert stderr.getvalue() == (
        f"tinytensor: compiling kernels for this CPU, once; they are kept in {where}\n"
    )
    cache.announce_compilation.cache_clear()
    run()
    Kernel("not kept", SIGNATURE, lambda: add_one, cached=False).load()
    assert stderr.getvalue().count("\n") == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_one_line_says_that_nothing_can_be_kept(folder, stderr, terminal):
    use_file_as_folder(folder)
    stderr.isatty = lambda: terminal
    run()
    run("another")
    assert stderr.getvalue() == (
        "tinytensor: compiling kernels in every process; "
        f"they cannot be kept in {folder}: Not a directory (see $TINYTENSOR_CACHE)\n"
    )


def test_no_terminal_no_word(folder, stderr):
    stderr.isatty = lambda: False
    run()
    assert stderr.getvalue() == ""


@posix
def test_why_a_folder_is_not_used(folder):
    assert cache.unusable() is None
    folder.chmod(0o770)
    assert cache.unusable() == f"{folder}: others may write there, or it is not yours"
    folder.rmdir()
    folder.parent.rmdir()
    use_file_as_folder(folder)
    assert cache.unusable() == f"{folder}: Not a directory"
