"""Files that are no model, and what is said of them; what is advised is done."""

import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.cli import main
from tinytensor.datasets.idx import read_idx
from tinytensor.io import native, npz, pt

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LFS, r"is a Git LFS pointer, not the file it points to; run: git lfs pull$"),
        (b"\n<!DOCTYPE html>\n<html><head>", "is an HTML page"),
        (b"\xef\xbb\xbf<HTML>", "is an HTML page"),
        (b"\x08\x01\x12\xfe\x07\x0a", "is a TensorFlow SavedModel"),
        (b"\x0a\x1f\x0a\x01x\x12\x0bPlaceholder", "is a TensorFlow graph"),
        (b"GGUF\x03\0\0\0", "is a GGUF model"),
        (b"\x1f\x8b\x08\x00", "is a gzip archive"),
        (b"BZh91AY", "is a compressed file"),
        (b"a" * 257 + b"ustar\0", "is a tar archive"),
        (b"\x93NUMPY\x01\0", "is a single NumPy array"),
        (pickle.dumps({"W1": 1}, 0), "is a pickle of protocol 0; save it again with protocol=4"),
        (b"hello", "no model; expected a file of tinytensor, "),
    ],
)
def test_each_kind_is_named(tmp_path, content, said):
    (tmp_path / "model.onnx").write_bytes(content)
    for read in (tt.load, tt.io.read_state):
        with pytest.raises(tt.ModelFormatError, match=rf"model\.onnx: {said}"):
            read(tmp_path / "model.onnx")


def test_a_saved_model_is_a_folder(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12")
    with pytest.raises(tt.ModelFormatError, match="expected a file, got a TensorFlow SavedModel"):
        tt.load(tmp_path)


@pytest.mark.parametrize("dump", ["pickle", "joblib", "compressed"])
def test_a_pickled_estimator(tmp_path, dump):
    joblib = pytest.importorskip("joblib", reason="scikit-learn is not installed")
    from sklearn.linear_model import Ridge

    X = np.random.default_rng(0).standard_normal((20, 3))
    estimator = Ridge().fit(X, X[:, 0])
    path = tmp_path / "model.pkl"
    if dump == "pickle":
        path.write_bytes(pickle.dumps(estimator))
    else:
        joblib.dump(estimator, path, compress=3 if dump == "compressed" else 0)
    with pytest.raises(tt.ModelFormatError, match=r"load it with joblib, then tt\.from_sklearn\(estimator\)"):
        tt.load(path)
    assert len(tt.from_sklearn(joblib.load(path))) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are those of POSIX systems")
@pytest.mark.parametrize(
    "read",
    [tt.load, tt.io.read_state, tt.from_onnx, tt.from_keras, tt.io.book.load, lambda path: read_idx(path, 3),
     lambda path: tt.load_weights(tt.Sequential(), path), pt.read_state, npz.read, native.read],
    ids=range(10),
)  # fmt: skip
def test_a_pipe_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")

    def late(*_):
        raise BaseException("waits for a writer")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    try:
        for path in (tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises((tt.TinyTensorError, OSError)):
                read(path)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("command", [["inspect"], ["convert"]])
def test_names_from_a_file_do_not_control_the_terminal(tmp_path, capsys, command):
    np.savez(tmp_path / "w.npz", **{"w\n\x1b]0;owned\x07\x1b[31m": np.ones((2, 3), np.float32)})
    main([*command, str(tmp_path / "w.npz"), *([str(tmp_path / "o.npz")] if command == ["convert"] else [])])
    out, error = capsys.readouterr()
    assert "\x1b" not in out + error
    assert "\x07" not in out + error
    assert r"\x1b]0;owned\x07\x1b[31m" in out + error
    main(["inspect", str(tmp_path / "\x1b[31m")])
    assert "\x1b" not in capsys.readouterr().err
