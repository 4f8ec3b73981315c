import os
import pathlib

import pytest

import tinytensor as tt
from tinytensor.io.formats import FORMATS, identify


def test_the_content_says_what_a_file_is_not_its_name(tmp_path):
    model = tt.Sequential(tt.Linear(3, 2, seed=0))
    model.save(tmp_path / "model.safetensors")
    for name in ("model", "model.pkl", "model.onnx"):
        os.rename(tmp_path / "model.safetensors", tmp_path / name)
        assert identify(tmp_path / name).module == "tinytensor.io.native"
        assert repr(tt.load(tmp_path / name)) == repr(model)
        os.rename(tmp_path / name, tmp_path / "model.safetensors")


def test_paths_of_every_kind(tmp_path):
    model = tt.Sequential(tt.relu)
    for path in (
        tmp_path / "ä b.safetensors",
        str(tmp_path / "b.safetensors"),
        pathlib.Path(tmp_path / "C.SAFETENSORS"),
    ):
        model.save(path)
        assert repr(tt.load(path)) == repr(model)


def test_a_single_layer_is_a_model(tmp_path):
    tt.io.save(tt.Linear(3, 2, seed=0), tmp_path / "layer.safetensors")
    assert repr(tt.load(tmp_path / "layer.safetensors")) == "Linear(in_features=3, out_features=2)"


@pytest.mark.parametrize("content", [b"", b"x", b"hello, world", b"\x7fELF", b"\x80\xff", bytes(100)])
def test_what_is_no_model(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(
        tt.ModelFormatError, match=r"model\.safetensors: no model; expected a file of tinytensor, "
    ):
        tt.load(path)


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        tt.load(tmp_path / "nowhere")
    with pytest.raises(tt.ModelFormatError, match="expected a file"):
        tt.load(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(tt.ModelFormatError, match="expected a file"):
            tt.load(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["model", "model.h5", "model.safetensors.bak", ".safetensors"])
def test_an_ending_that_no_format_has(tmp_path, name):
    with pytest.raises(tt.ArgumentError, match=r"save: expected a name that ends in \.safetensors"):
        tt.Sequential().save(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_every_row_of_the_table_has_a_module_that_does_what_it_says():
    for row in FORMATS:
        module = row.imported()
        assert bool(row.matches) == hasattr(module, "read")
        assert bool(row.suffix) == hasattr(module, "write")
