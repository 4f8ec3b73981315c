"""A model out of the bytes of a file."""

import pytest

import tinytensor as tt


@pytest.fixture
def load(tmp_path):
    def write_and_load(content):
        path = tmp_path / "model.dat"  # the content says what it is
        path.write_bytes(content)
        return tt.load(path)

    return write_and_load
