"""ZIP archives at the very edge of what is read, and those whose members are not where they say."""

import io
import struct
import zipfile

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.io import archive


def of_size(path, size):
    """An archive whose one array of zeros becomes that many bytes, and its own length."""
    head = io.BytesIO()
    text = {"descr": "|u1", "fortran_order": False, "shape": (size - 128,)}
    np.lib.format.write_array_header_1_0(head, text)
    assert len(head.getvalue()) == 128
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("w.npy", head.getvalue() + bytes(size - 128))
    return path.stat().st_size


def test_the_limit_is_exact(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "EXTRA_SIZE", 1 << 16)
    path = tmp_path / "w.npz"
    size = of_size(path, 1 << 16) * 2 + (1 << 16)
    for _ in range(20):  # the length of the archive changes a little with its content
        size = of_size(path, size) * 2 + (1 << 16)
    for more in range(-8, 9):
        length = of_size(path, size + more)
        if size + more <= 2 * length + (1 << 16):
            assert tt.io.read_state(path)["w"].size == size + more - 128
        else:
            with pytest.raises(tt.ModelFormatError, match=f"{length} bytes would become {size + more}"):
                tt.io.read_state(path)
    assert size + 8 > 2 * of_size(path, size + 8) + (1 << 16)
    assert size - 8 <= 2 * of_size(path, size - 8) + (1 << 16)


def test_the_sum_of_all_members_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "EXTRA_SIZE", 1 << 16)
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(4):
            file.writestr(f"{i}.npy", bytes(1 << 15))
    with pytest.raises(tt.ModelFormatError, match="would become 131072"):
        tt.io.read_state(tmp_path / "w.npz")


def test_the_limit_is_the_one_that_is_documented():
    assert archive.EXTRA_SIZE == 32 << 20


def overlapping(count):
    """Entries of a table of contents that all point to one member."""
    buffer = io.BytesIO()
    array = io.BytesIO()
    np.save(array, np.zeros(1000, np.float32))
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.npy", array.getvalue())
    content = buffer.getvalue()
    begin, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entries = [content[begin:end].replace(b"a.npy", bytes([97 + i]) + b".npy") for i in range(count)]
    table = b"".join(entries)
    tail = bytearray(content[end:])
    struct.pack_into("<HHI", tail, 8, count, count, len(table))
    return content[:begin] + table + bytes(tail)


def test_members_that_overlap(tmp_path):
    (tmp_path / "w.npz").write_bytes(overlapping(1))
    assert tt.io.read_state(tmp_path / "w.npz")["a"].size == 1000
    for count in (2, 3, 20):
        (tmp_path / "w.npz").write_bytes(overlapping(count))
        with pytest.raises(tt.ModelFormatError, match="its members overlap"):
            tt.io.read_state(tmp_path / "w.npz")


def test_many_members_and_names_of_any_letters(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, **{f"größe{i}": np.float32([i]) for i in range(300)})
    with zipfile.ZipFile(path) as file:
        assert all(member.flag_bits == 0x800 for member in file.infolist())  # names are UTF-8
    state = tt.io.read_state(path)
    assert [state[f"größe{i}"].tolist() for i in (0, 299)] == [[0.0], [299.0]]
    assert len(state) == 300


@pytest.mark.parametrize("arguments", [(), (-1,), (None,), (1001,)])
def test_only_so_much_is_read_at_a_time(tmp_path, monkeypatch, arguments):
    monkeypatch.setattr(archive, "READ_LIMIT", 1000)
    (tmp_path / "a").write_bytes(bytes(1001))
    (tmp_path / "b").write_bytes(bytes(1000))
    with archive.Capped(tmp_path / "b") as file:
        assert file.read(*arguments) == bytes(1000)
    with (
        archive.Capped(tmp_path / "a") as file,
        pytest.raises(tt.ModelFormatError, match="at most 1000 bytes"),
    ):
        file.read(*arguments)
