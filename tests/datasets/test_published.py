import gzip
import hashlib

import numpy as np
import pytest

from tests.datasets.idx_files import idx_bytes
from tests.datasets.web import dead, serve, silent
from tinytensor.datasets import download, published
from tinytensor.datasets.published import IdxFile, fetch
from tinytensor.errors import DownloadError

DIGITS = np.arange(5 * 784).astype(np.uint8).reshape(5, 28, 28)
CONTENT = idx_bytes(DIGITS)
FILE = IdxFile("digits-idx3-ubyte", 3, hashlib.sha256(CONTENT).hexdigest())
PATH = "/digits-idx3-ubyte.gz"
GOOD = gzip.compress(CONTENT)
BAD = {
    "half": GOOD[: len(GOOD) // 2],
    "another file": gzip.compress(idx_bytes(DIGITS[::-1])),
    "a web page": b"<html>Please log in to this network</html>",
    "nothing": b"",
}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYTENSOR_CACHE", str(tmp_path))
    return tmp_path / "mnist"


@pytest.fixture
def mirrors(monkeypatch):
    return lambda *urls: monkeypatch.setattr(published, "MIRRORS", urls)


def test_downloads_once(cache, mirrors):
    with serve({PATH: GOOD}) as (url, asked):
        mirrors(url)
        assert np.array_equal(fetch(FILE), DIGITS)
        assert np.array_equal(fetch(FILE), DIGITS)
    assert asked == [PATH]
    assert [path.name for path in cache.iterdir()] == [PATH[1:]]


@pytest.mark.parametrize("content", [gzip.compress(CONTENT, 1), CONTENT], ids=["packed anew", "plain"])
def test_takes_the_same_content_however_it_is_packed(mirrors, content):
    with serve({PATH: content}) as (url, _):
        mirrors(url)
        assert np.array_equal(fetch(FILE), DIGITS)


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_refuses_what_was_not_published_and_keeps_nothing(cache, mirrors, content):
    with serve({PATH: content}) as (url, _):
        mirrors(url)
        with pytest.raises(DownloadError, match=f"{url}digits-idx3-ubyte.gz: "):
            fetch(FILE)
    assert not cache.exists()


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_the_next_mirror_helps(cache, mirrors, content):
    with serve({PATH: content}) as (bad, _), serve({}) as (empty, _), serve({PATH: GOOD}) as (good, asked):
        mirrors(bad, empty, dead(), good)
        assert np.array_equal(fetch(FILE), DIGITS)
    assert asked == [PATH]
    assert np.array_equal(published.read_idx(cache / PATH[1:], 3), DIGITS)


def test_a_transfer_that_breaks_off_leaves_nothing(cache, mirrors):
    with serve({PATH: GOOD[:100]}, promise=len(GOOD) - 100) as (url, _):
        mirrors(url)
        with pytest.raises(DownloadError):
            fetch(FILE)
    assert not cache.exists()


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_a_damaged_copy_in_the_cache_is_replaced(cache, mirrors, content):
    cache.mkdir()
    (cache / PATH[1:]).write_bytes(content)
    with serve({PATH: GOOD}) as (url, _):
        mirrors(url)
        assert np.array_equal(fetch(FILE), DIGITS)
    assert (cache / PATH[1:]).read_bytes() == GOOD


def test_without_a_network_one_line_names_the_way_out(mirrors, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    with silent() as url:
        mirrors(dead(), url)
        with pytest.raises(DownloadError) as caught:
            fetch(FILE)
    message = str(caught.value)
    assert "\n" not in message
    assert all(way_out in message for way_out in ("--data", "$TINYTENSOR_DATA", "embedded sample"))


def test_a_cache_that_cannot_be_written_does_not_matter(cache, mirrors):
    cache.write_bytes(b"a file where the folder should be")
    with serve({PATH: GOOD}) as (url, _):
        mirrors(url)
        assert np.array_equal(fetch(FILE), DIGITS)
