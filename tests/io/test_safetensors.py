import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinytensor as tt
from tinytensor.io.safetensors import HEADER_LIMIT, checksum, read_data, read_header, write

DTYPES = ["f4", "f8", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
arrays = hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


def read(path, checksums=False):
    with open(path, "rb") as file:
        header = read_header(file)
        return header.metadata, *read_data(file, header, checksums)


def file_of(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("safetensors")


@given(
    tensors=st.dictionaries(st.text(max_size=8), arrays, max_size=5),
    metadata=st.dictionaries(st.text(), st.text()),
)
def test_it_reads_what_the_library_writes_and_the_library_what_it_writes(folder, tensors, metadata):
    tensors.pop("__metadata__", None)
    theirs, ours = folder / "theirs", folder / "ours"
    safetensors.numpy.save_file(tensors, theirs, metadata or None)
    write(ours, tensors, metadata)
    for found in (read(theirs)[1], read(ours)[1], safetensors.numpy.load_file(ours)):
        assert found.keys() == tensors.keys()
        for name, array in tensors.items():
            assert found[name].tobytes() == array.tobytes()
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
    assert read(ours)[0] == metadata


@given(array=hnp.arrays("f4", (3, 4), elements=st.floats(width=32)))
def test_arrays_of_any_layout_are_written_as_they_read(folder, array):
    # the library saves the memory of a strided array, whatever its strides
    views = {
        "t": array.T,
        "r": array[::-1],
        "s": array[:, ::2],
        "b": np.broadcast_to(array[0], (2, 4)),
        "f": np.asfortranarray(array),
    }
    write(folder / "views", views, {})
    found = read(folder / "views")[1]
    assert all(np.array_equal(found[name], view, equal_nan=True) for name, view in views.items())


@given(tensors=st.dictionaries(st.text(min_size=1, max_size=4), arrays, max_size=4))
def test_checksums_of_a_file_are_those_of_its_arrays(folder, tensors):
    write(folder / "sums", tensors, {})
    _, found, sums = read(folder / "sums", checksums=True)
    assert sums == {name: checksum(name, array) for name, array in tensors.items()}
    assert sums == {name: checksum(name, array) for name, array in found.items()}


def test_checksums_cover_name_dtype_and_shape():
    zeros = np.zeros((2, 3), np.float32)
    sums = [
        checksum("a", zeros),
        checksum("b", zeros),
        checksum("a", zeros.T),
        checksum("a", zeros.view(np.int32)),
    ]
    assert len(set(sums)) == 4


def test_arrays_are_read_only_and_share_one_buffer(folder):
    write(folder / "a", {"a": np.ones(3), "b": np.ones((2, 2), np.float32)}, {})
    found = read(folder / "a")[1]
    assert not any(array.flags.writeable for array in found.values())
    assert found["a"].base.base is found["b"].base.base


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
DATA = bytes(8)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "does not start with {"),
        (b" {}", "does not start with {"),
        (b"[]", "does not start with {"),
        (b'{"a":1', "no JSON"),
        (b'{"a\xff":{}}', "no UTF-8"),
        (b"{}x", "no JSON: Extra data"),
        (b'{"a":' + b"[" * 100_000, "no JSON: maximum recursion"),
        (json.dumps({"a": ENTRY}).encode()[:-1] + b',"a":{}}', "'a' stands twice"),
        (b'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', "'dtype' stands twice"),
        ({"__metadata__": []}, "__metadata__: expected strings"),
        ({"__metadata__": {"a": 1}, "a": ENTRY}, "__metadata__: expected strings"),
        ({"a": []}, "'a': expected dtype, shape and data_offsets"),
        ({"a": ENTRY | {"more": 1}}, "'a': expected dtype, shape and data_offsets"),
        ({"a": ENTRY | {"dtype": "F99"}}, "'a': dtype: expected one of F16"),
        ({"a": ENTRY | {"dtype": ["F32"]}}, "'a': dtype: expected one of F16"),
        ({"a": ENTRY | {"shape": 2}}, "'a': shape: expected"),
        ({"a": ENTRY | {"shape": [-2]}}, "'a': shape: expected"),
        ({"a": ENTRY | {"shape": [2.0]}}, "'a': shape: expected"),
        ({"a": ENTRY | {"shape": [True, 2]}}, "'a': shape: expected"),
        ({"a": ENTRY | {"shape": [1] * 65}}, "'a': shape: expected at most 64"),
        ({"a": ENTRY | {"shape": [3]}}, r"'a': F32 \[3\] has 12 bytes, the offsets 8"),
        ({"a": ENTRY | {"shape": [2**62, 2**62]}}, "too large"),
        ({"a": ENTRY | {"shape": [2**62, 0], "data_offsets": [0, 0]}}, "too large"),
        ({"a": ENTRY | {"shape": [10**4000]}}, "'a': shape: expected"),
        (b'{"a":{"dtype":"F32","shape":[1' + b"0" * 5000 + b'],"data_offsets":[0,8]}}', "no JSON"),
        ({"a": ENTRY | {"data_offsets": [8, 0]}}, "'a': F32 .2. has 8 bytes, the offsets -8"),
        ({"a": ENTRY | {"data_offsets": [0]}}, r"data_offsets: expected \[begin, end\]"),
        ({"a": ENTRY | {"data_offsets": [-8, 0]}}, r"data_offsets: expected \[begin, end\]"),
        ({"a": ENTRY | {"data_offsets": [8, 16]}}, "'a': starts at byte 8, the one before ends at 0"),
        ({"a": ENTRY, "b": ENTRY}, "'b': starts at byte 0, the one before ends at 8"),
        ({"a": ENTRY, "b": ENTRY | {"data_offsets": [8, 16]}}, "the tensors have 16 bytes, the file has 8"),
        ({}, "the tensors have 0 bytes, the file has 8"),
        ({"a": {"dtype": "BOOL", "shape": [8], "data_offsets": [0, 8]}}, None),
    ],
)  # fmt: skip
def test_headers_that_break_a_rule(folder, header, message):
    path = file_of(folder / "broken", header, DATA)
    if message is None:
        assert read(path)[1]["a"].tolist() == [False] * 8
        return
    with pytest.raises(tt.ModelFormatError, match=message):
        read(path)


def test_lengths_of_the_header_that_lie(folder):
    path = folder / "length"
    for content in (b"", b"1234567", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 3) + b"{}"):
        path.write_bytes(content)
        with pytest.raises(tt.ModelFormatError, match="the header is said to have"):
            read(path)
    file_of(path, b"{" + b" " * HEADER_LIMIT + b"}")
    with pytest.raises(tt.ModelFormatError, match="expected a header of at most 2097152 bytes"):
        read(path)


def test_bools_are_0_or_1(folder):
    path = file_of(
        folder / "bools", {"a": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}, b"\x01\x02"
    )
    with pytest.raises(tt.ModelFormatError, match="'a': expected bytes 0 and 1"):
        read(path)


def test_a_file_that_shrinks_while_it_is_read(folder):
    path = file_of(folder / "shrinks", {"a": ENTRY}, DATA)
    with open(path, "rb") as file:
        header = read_header(file)
        file.seek(-4, 2)
        with pytest.raises(tt.ModelFormatError, match="'a': the file ends within its data"):
            read_data(file, header, checksums=False)


def test_what_could_not_be_read_is_not_written(folder):
    with pytest.raises(tt.ModelFormatError, match="expected a header of at most"):
        write(folder / "long", {}, {"note": "x" * HEADER_LIMIT})
