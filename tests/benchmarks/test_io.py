"""The benchmark of files, small."""

import pytest

from benchmarks import io


def test_loading_and_reading(tmp_path):
    size, found = io.loading(tmp_path, 32, rounds=2)
    assert size > 4 * 32 * 32
    assert found.keys() == {"load", "read", "read to an array"}
    assert all(len(each) == 2 and min(each) > 0 for each in found.values())


def test_importing(tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.setattr(io, "LAYERS", 2)
    assert len(io.importing(tmp_path, rounds=1)) == 1
