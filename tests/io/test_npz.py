"""npz files: what NumPy writes, what we write, and what nobody should have written."""

import io
import zipfile

import numpy as np
import pytest

import tinytensor as tt
from tests.io.crafted_archives import array_file, header
from tinytensor.io.npz import array_of


def npy(array, **changes):
    """The bytes of an npy file, with other values in its header where asked for."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    content = buffer.getvalue()
    for old, new in changes.values():
        assert old in content
        content = content.replace(old, new)
    return content


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_what_we_save_comes_back_with_its_bits(tmp_path):
    model = tt.Sequential(tt.Linear(3, 4, seed=0), tt.gelu, ("out", tt.Linear(4, 2, seed=1, dtype=float)))
    model.save(tmp_path / "m.npz")
    again = tt.load(tmp_path / "m.npz")
    assert repr(again) == repr(model)
    for name, array in model.state_dict().items():
        assert again.state_dict()[name].tobytes() == array.tobytes()
    assert not np.load(tmp_path / "m.npz", allow_pickle=False)["0.weight"].flags.f_contiguous


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_weights_that_numpy_saved(tmp_path, dtype, order):
    weight = np.asarray([[1.5, 2], [3, 4], [5, 6]], dtype, order=order)
    np.savez(tmp_path / "w.npz", weight=weight, bias=np.array([0.5, 0, 0], dtype))
    state = tt.io.read_state(tmp_path / "w.npz")
    assert state["weight"].tolist() == weight.tolist()
    assert state["weight"].dtype == (np.float64 if dtype == "<f8" else np.float32)
    model = tt.Sequential(tt.Linear(2, 3))
    tt.load_weights(model, tmp_path / "w.npz")
    assert model([1.0, 1.0]).tolist() == [4.0, 7.0, 11.0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy(np.ones(2))[:-1], "does not have 15 bytes"),
        (npy(np.ones(2), shape=(b"(2,)", b"(9,)")), "does not have 16 bytes"),
        (npy(np.ones(2), shape=(b"(2,)", b"(-2,"))[:-1], "no array"),
        (npy(np.ones(2), dtype=(b"'<f8'", b"'|O8'")), "expected floats"),
        (npy(np.array(["ab"])), "expected floats"),
        (npy(np.ones(2), magic=(b"NUMPY", b"NUMPX")), "magic"),
        (npy(np.ones(2), version=(b"\x01\x00", b"\x09\x00")), "version"),
        (npy(np.zeros(2, bool))[:-1] + b"\x02", "bools"),
        (npy(np.ones(2), shape=(b"(2,)", b"(1<")), "no array"),
        (b"", "no array"),
        (array_file(header(shape=(1,) * 65), bytes(4)), "at most 64 sizes"),
        (array_file(header(shape=(-2, -2))), "at most 64 sizes"),
        (array_file(header(shape=(0, 1 << 59)), b""), r"below 2\*\*59, got \(0, 576460752303423488\)"),
        (array_file(header(shape=(0, 1 << 60)), b""), r"below 2\*\*59"),
    ],
)
def test_damaged_arrays(tmp_path, content, said):
    path = archive(tmp_path / "w.npz", {"weight.npy": content})
    with pytest.raises(tt.ModelFormatError, match=said):
        tt.load(path)


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    class Canary:
        def __reduce__(self):
            return (pytest.fail, ("code from a file ran",))

    np.savez(tmp_path / "w.npz", weight=np.array([Canary()], object))
    with pytest.raises(tt.ModelFormatError, match="weight"):
        tt.load(tmp_path / "w.npz")


def test_a_bomb_is_not_unpacked(tmp_path):
    path = archive(tmp_path / "w.npz", {"weight.npy": npy(np.zeros((5000, 5000)))}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(tt.ModelFormatError, match="200000128"):
        tt.load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_are_not_what_they_say(tmp_path):
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("weight.npy", npy(np.ones((2, 2))))
        file.writestr("weight.npy", npy(np.zeros((2, 2))))
    with pytest.raises(tt.ModelFormatError, match="one name"):
        tt.io.read_state(path)
    archive(path, {"weight.npy": npy(np.ones((2, 2))), "run.py": b"1/0"})
    with pytest.raises(tt.ModelFormatError, match="arrays only"):
        tt.load(path)
    archive(path, {"weight.npy": npy(np.ones((2, 2)))}, zipfile.ZIP_LZMA)
    with pytest.raises(tt.ModelFormatError, match="stored or deflated"):
        tt.io.npz.read(path)


def test_views_of_the_file_are_read_only_and_not_copied():
    content = np.frombuffer(npy(np.arange(6.0).reshape(2, 3)), np.uint8).copy()
    array = array_of("w", content)
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.shares_memory(array, content)
    assert not array.flags.writeable
