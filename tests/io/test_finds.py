"""Files that a fuzzer found: each loads, or raises an error of ours. One is named FORMAT-what-it-is."""

from pathlib import Path

import pytest

import tinytensor as tt
from tests.io import fuzz

FINDS = sorted((Path(__file__).parent / "finds").iterdir())


@pytest.mark.parametrize("path", FINDS, ids=lambda path: path.name)
def test_a_file_that_was_found_ends_in_an_error_of_ours(path):
    loader = fuzz.LOADERS.get(path.name.partition("-")[0], tt.load)
    assert fuzz.attempt(loader, path) in (True, False)


def test_there_are_finds():
    assert FINDS
