"""Buffers that are in use at the same time do not overlap."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.inference.buffers import SQUARE, Buffer, place
from tinytensor.kernels import record


@st.composite
def buffers(draw):
    first = draw(st.integers(0, 12))
    return Buffer(
        draw(st.sampled_from((1, 3, 16, 50, 128, 512))),
        draw(st.sampled_from((1, 4, 8))),
        first=first,
        last=first + draw(st.integers(0, 6)),
        packed=draw(st.booleans()),
        overread=draw(st.booleans()),
        rows=draw(st.sampled_from((1, 12, 120))),
    )


@given(st.lists(buffers(), max_size=20), st.integers(0, 20))
def test_live_buffers_do_not_overlap(found, passing):
    memory = place(found, set(found[:passing]), 4096)

    def end(buffer):
        return buffer.offset + (buffer.rows + SQUARE * buffer.overread) * buffer.stride

    for one, other in itertools.combinations(found, 2):
        if one.first <= other.last and other.first <= one.last:
            assert end(one) <= other.offset or end(other) <= one.offset
    for i, buffer in enumerate(found):
        assert buffer.offset >= 4096
        assert end(buffer) <= memory.end
        step = buffer.stride if i < passing else 0
        assert memory.entries[buffer.number] == (buffer.offset, buffer.stride, step)


def test_the_callers_input_and_output_have_no_place():
    given_ones = [Buffer(10, 4, record.INPUT), Buffer(10, 4, record.OUTPUT)]
    assert place(given_ones, set(), 4096).end == 4096


def test_more_places_than_fit_are_refused():
    many = [Buffer(1, 4, first=0, last=1) for _ in range(record.MOST_BUFFERS)]
    with pytest.raises(tt.UnsupportedOp, match=f"at most {record.MOST_BUFFERS} places"):
        place(many, set(), 4096)


def test_strides_are_no_large_powers_of_two_unless_rows_lie_without_a_gap():
    assert [Buffer(n, 4).stride for n in (1, 100, 127, 128, 129, 256)] == [4, 400, 508, 576, 516, 1088]
    assert [Buffer(n, 4, packed=True).stride for n in (128, 256)] == [512, 1024]


def test_a_buffer_is_new_until_instructions_use_it():
    buffer = Buffer(10, 4)
    assert (buffer.number, buffer.readers, buffer.first, buffer.last) == (None, 0, 0, 0)
    assert (buffer.packed, buffer.overread, buffer.offset, buffer.rows) == (False, False, 0, 0)
