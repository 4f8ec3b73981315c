import gzip
import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.datasets.idx_files import idx_bytes
from tinytensor.datasets.idx import MAX_BYTES, read_idx
from tinytensor.errors import DatasetError

DIGITS = np.arange(3 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(3, 28, 28)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9)), st.booleans())
def test_reads_back_what_was_written(tmp_path_factory, array, packed):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    read = read_idx(path, array.ndim)
    assert read.dtype == np.uint8
    assert read.shape == array.shape
    assert np.array_equal(read, array)
    assert read.flags.writeable


def header(magic=0x0803, *shape):
    return struct.pack(f">{1 + len(shape)}I", magic, *shape)


WHOLE = idx_bytes(DIGITS)
BAD = {
    "empty": (b"", "an empty file"),
    "wrong type": (WHOLE.replace(b"\x08", b"\x0d", 1), r"magic number 00000803.*got 00000d03"),
    "labels for images": (idx_bytes(DIGITS[0, 0]), r"3 axes.*got 00000801"),
    "little-endian": (WHOLE[3::-1] + WHOLE[4:], "got 03080000"),
    "some other file": (b"PK\x03\x04 an archive", "got 504b0304"),
    "half a header": (WHOLE[:9], "header of 16 bytes, got only 9"),
    "no body": (WHOLE[:16], "2,352 bytes.*only 0"),
    "one byte short": (WHOLE[:-1], "only 2,351"),
    "one byte more": (WHOLE + b"\0", "2,352 bytes.*got more"),
    "a huge shape": (header(0x0803, 2**32 - 1, 2**32 - 1, 2**32 - 1), "at most 256 MiB"),
    "one too many": (header(0x0803, MAX_BYTES + 1, 1, 1), "at most 256 MiB"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD.keys())
def test_refuses_what_is_no_idx_file(tmp_path, content, message, packed):
    path = tmp_path / "digits-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)


PACKED = gzip.compress(WHOLE)


@pytest.mark.parametrize(
    "content",
    [
        PACKED[:1],
        PACKED[:5],
        PACKED[: len(PACKED) // 2],
        PACKED[:-1],
        PACKED[:-8] + bytes(8),
        PACKED[:20] + bytes(20) + PACKED[40:],
        PACKED + b"more",
        PACKED + PACKED,
    ],
    ids=["one byte", "in the header", "half", "last byte", "wrong sum", "zeroed", "trailing", "twice"],
)
def test_refuses_a_damaged_gzip_file(tmp_path, content):
    path = tmp_path / "digits-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=str(path)):
        read_idx(path, 3)


@given(st.data())
def test_no_damage_escapes_as_another_error(tmp_path_factory, data):
    whole = data.draw(st.sampled_from([WHOLE, PACKED]))
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)), label="length")])
    for at in data.draw(st.lists(st.integers(0, max(len(damaged) - 1, 0)), max_size=3), label="flips"):
        if damaged:
            damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(damaged)
    try:
        read = read_idx(path, 3, hashlib.sha256(WHOLE).hexdigest())
    except DatasetError:
        return
    assert np.array_equal(read, DIGITS)


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_promises(tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as file:
        file.write(header(0x0803, 10, 28, 28))
        for _ in range(8):
            file.write(bytes(1 << 20))
    with pytest.raises(DatasetError, match=r"7,840 bytes.*got more"):
        read_idx(path, 3)


def test_checks_the_unpacked_content(tmp_path):
    path = tmp_path / "digits"
    path.write_bytes(gzip.compress(WHOLE, 1))
    assert np.array_equal(read_idx(path, 3, hashlib.sha256(WHOLE).hexdigest()), DIGITS)
    with pytest.raises(DatasetError, match="SHA-256 differs"):
        read_idx(path, 3, hashlib.sha256(b"").hexdigest())


def test_says_why_a_file_cannot_be_read(tmp_path):
    with pytest.raises(DatasetError, match="none: No such file"):
        read_idx(tmp_path / "none", 3)
    with pytest.raises(DatasetError, match="Is a directory"):
        read_idx(tmp_path, 3)
