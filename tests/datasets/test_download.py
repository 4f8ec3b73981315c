import sys
import threading

import numpy as np
import pytest

from tests.datasets.web import dead, serve, silent
from tinytensor.datasets import download
from tinytensor.errors import DatasetError, MissingExtra


@pytest.mark.parametrize("size", [0, 1, download.CHUNK, 3 * download.CHUNK + 1])
def test_brings_what_is_there(size):
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with serve({"/file": content}) as (url, _):
        assert download.transfer(url + "file").read() == content


def test_a_file_that_comes_in_many_chunks():
    """Each chunk is kept once and in its place, whatever the server's pieces are."""
    content = np.random.default_rng(0).bytes(5 * download.CHUNK + 123)
    pieces = [1, 2, download.CHUNK - 1, download.CHUNK, download.CHUNK + 1, 7, 1 << 30]
    with serve({"/file": content}, pieces=pieces) as (url, _):
        assert download.transfer(url + "file").getvalue() == content


def test_a_missing_file():
    with serve({}) as (url, _), pytest.raises(DatasetError, match=r"^127\.0\.0\.1: HTTP 404$"):
        download.transfer(url + "file")


def test_a_connection_that_breaks_off():
    with (
        serve({"/file": b"half"}, promise=4) as (url, _),
        pytest.raises(DatasetError, match="ChunkedEncodingError"),
    ):
        download.transfer(url + "file")


def test_nobody_there():
    with pytest.raises(DatasetError, match="ConnectionError"):
        download.transfer(dead() + "file")


def test_a_silent_server_is_given_up(monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    with silent() as url, pytest.raises(DatasetError, match=r"silent for 0\.3 s|ReadTimeout"):
        download.transfer(url + "file")


def test_a_name_that_is_never_looked_up_is_given_up(monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    monkeypatch.setattr("pooch.HTTPDownloader", lambda **_: lambda *_: answer.wait())
    with pytest.raises(DatasetError, match=r"^a\.test: silent for 0\.2 s$"):
        download.transfer("http://a.test/file")
    answer.set()


def test_an_endless_file_is_cut_off(monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    with serve({"/file": bytes(2000)}) as (url, _), pytest.raises(DatasetError, match="OSError"):
        download.transfer(url + "file")


def test_without_pooch_it_says_what_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtra, match=r"tinytensor-nn\[data\]"):
        download.transfer("http://a.test/file")
