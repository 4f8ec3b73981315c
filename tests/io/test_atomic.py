import itertools
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading

import pytest

import tinytensor as tt
from tinytensor.inference import revision
from tinytensor.io import formats
from tinytensor.io.atomic import replacing

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and limits of POSIX systems")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_new_file_takes_the_place_of_the_old(tmp_path):
    target = tmp_path / "model"
    target.write_text("old")
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "model"
    target.write_text("old")

    def write():
        with replacing(target) as temporary:
            temporary.write_text("ne")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_new_file_has_what_the_umask_leaves(tmp_path, umask):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "model") as temporary:
            temporary.write_text("new")
    finally:
        os.umask(before)
    assert mode(tmp_path / "model") == 0o666 & ~umask


@posix
def test_the_mode_of_the_old_file_stays(tmp_path):
    target = tmp_path / "model.safetensors"
    target.write_text("old")
    target.chmod(0o640)
    tt.Sequential(tt.relu).save(target)
    assert mode(target) == 0o640


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    link, target = tmp_path / "link", tmp_path / "folder" / "model"
    target.write_text("old")
    link.symlink_to(target)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_what_cannot_be_replaced(tmp_path):
    with pytest.raises(OSError), replacing(tmp_path):
        pass
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "nowhere" / "model"):
        pass
    assert os.listdir(tmp_path) == []


def run(script, *arguments):
    """What a Python script prints in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@posix
def test_no_permission():
    script = """
        import os, pathlib, sys
        from tinytensor.io.atomic import replacing
        if os.geteuid() == 0:
            os.setuid(65534)  # nobody: root may write everywhere
        for target in map(pathlib.Path, sys.argv[1:]):
            try:
                with replacing(target) as temporary:
                    temporary.write_text("new")
            except OSError as error:
                print(type(error).__name__)
    """
    with tempfile.TemporaryDirectory() as folder:
        closed = pathlib.Path(folder, "closed")
        closed.mkdir()
        (closed / "model").touch()
        target = pathlib.Path(folder, "model")
        target.write_text("old")
        target.chmod(0o444)
        closed.chmod(0o555)
        os.chmod(folder, 0o777)
        assert run(script, target, closed / "model", closed / "new") == ["PermissionError"] * 3
        assert target.read_text() == "old"
        assert sorted(os.listdir(folder)) == ["closed", "model"]
        closed.chmod(0o755)


@posix
@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".onnx", ".py"])
def test_a_full_disk_leaves_the_old_file(tmp_path, suffix):
    if suffix == ".onnx":
        pytest.importorskip("onnx")
    # a limit on the size of files fails as a full disk does, in the middle of writing
    script = """
        import resource, sys
        import tinytensor as tt
        path = sys.argv[1]
        tt.Sequential(tt.Linear(3, 2)).save(path)
        before = open(path, "rb").read()
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            tt.Sequential(tt.Linear(300, 200)).save(path)
        except OSError as error:
            print(type(error).__name__)
        assert open(path, "rb").read() == before
    """
    assert run(script, tmp_path / f"model{suffix}") == ["OSError"]
    assert os.listdir(tmp_path) == [f"model{suffix}"]


@posix
def test_the_file_and_then_its_folder_are_on_the_disk(tmp_path, monkeypatch):
    """After a crash the name leads to the whole file: its bytes are written before it gets the name."""
    seen = []

    def fsync(descriptor):
        found = os.fstat(descriptor)
        seen.append(("folder" if stat.S_ISDIR(found.st_mode) else "file", found.st_ino, found.st_size))

    def replace(source, target):
        seen.append(("replace", os.stat(source).st_ino, os.stat(source).st_size))
        original(source, target)

    original = os.replace
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(pathlib.Path, "replace", replace)
    with replacing(tmp_path / "model") as temporary:
        temporary.write_text("new")
    inode = (tmp_path / "model").stat().st_ino
    assert seen[:2] == [("file", inode, 3), ("replace", inode, 3)]
    assert seen[2][:2] == ("folder", tmp_path.stat().st_ino)
    assert len(seen) == 3


def test_a_model_is_saved_as_it_was_at_one_moment(tmp_path):
    """No assignment comes between two parameters of a file."""

    model, failed = tt.Sequential(tt.Rescale([0.0], [0.0])), []
    started, stop = threading.Event(), threading.Event()

    def change():
        started.set()
        for value in itertools.count(1):
            if stop.is_set():
                return
            model.load_state_dict({"0.scale": [float(value)], "0.offset": [float(value)]})

    thread = threading.Thread(target=change)
    thread.start()
    try:
        started.wait()
        for _ in range(20):
            model.save(tmp_path / "m.safetensors")
            state = tt.io.read_state(tmp_path / "m.safetensors")
            failed += [state] if state["0.scale"] != state["0.offset"] else []
    finally:
        stop.set()
        thread.join()
    assert failed == []


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".py"])
def test_a_save_holds_the_lock_that_assignments_take(tmp_path, suffix, monkeypatch):
    model, held = tt.Sequential(tt.Linear(3, 2)), []
    row = next(each for each in formats.FORMATS if each.suffix == suffix)
    write = row.imported().write

    def attempt():
        free = revision.lock.acquire(blocking=False)
        held.append(not free)
        if free:
            revision.lock.release()

    def watched(*arguments):
        other = threading.Thread(target=attempt)
        other.start()
        other.join()
        write(*arguments)

    monkeypatch.setattr(row.imported(), "write", watched)
    model.save(tmp_path / f"m{suffix}")
    assert held == [True]
