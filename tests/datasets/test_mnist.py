import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.idx_files import idx_bytes
from tinytensor.datasets import mnist, published
from tinytensor.errors import ArgumentError, DatasetError, DownloadError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "mnist"
needs_mnist = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no MNIST files in {SHARED}")
DIGITS = np.arange(5 * 784).astype(np.uint8).reshape(5, 28, 28)
ANSWERS = np.array([3, 1, 4, 1, 5], np.uint8)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No data, an empty cache, no mirror: each test adds what it needs."""
    monkeypatch.delenv("TINYTENSOR_DATA", raising=False)
    monkeypatch.setenv("TINYTENSOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(published, "MIRRORS", ())


@pytest.fixture
def folder(tmp_path):
    """A user's own test set of five digits: images gzipped, labels plain."""
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(DIGITS)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(ANSWERS))
    return tmp_path


def test_the_sample_is_a_hundred_of_each_digit():
    images, labels = mnist("sample")
    assert images.shape == (1000, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(labels, np.tile(np.arange(10), 100))
    assert len(np.unique(images.reshape(1000, -1), axis=0)) == 1000
    assert images.flags.writeable


def test_the_sample_is_small_and_its_licence_lies_beside_it():
    package = Path(published.__file__).parent
    assert sum(path.stat().st_size for path in package.glob("sample-*.gz")) <= 250_000
    licence = (package / "SAMPLE_LICENSE.md").read_text()
    assert all(name in licence for name in ("Yann LeCun", "Corinna Cortes", "Attribution-Share Alike 3.0"))


@needs_mnist
def test_the_sample_lies_within_the_training_images_that_the_model_has_not_seen():
    images, labels = mnist("sample")
    seen, answers = mnist("train", SHARED)
    place = {image.tobytes(): i for i, image in enumerate(seen)}
    places = [place[image.tobytes()] for image in images]
    assert max(places) < 5848
    assert np.array_equal(answers[places], labels)


@needs_mnist
@pytest.mark.parametrize(("split", "n"), [("train", 60_000), ("test", 10_000)])
def test_the_digests_are_those_of_the_published_files(split, n):
    for file in published.FILES[split]:
        assert len(published.read_idx(SHARED / f"{file.name}.gz", file.ndim, file.sha256)) == n


@needs_mnist
def test_the_published_sets_are_what_the_chapter_says():
    for split, n in (("train", 60_000), ("test", 10_000)):
        images, labels = mnist(split, SHARED)
        assert images.shape == (n, 28, 28)
        assert images.dtype == np.uint8
        assert (images.min(), images.max()) == (0, 255)
        assert np.array_equal(np.unique(labels), np.arange(10))


def test_from_a_folder(folder):
    images, labels = mnist("test", folder)
    assert np.array_equal(images, DIGITS)
    assert np.array_equal(labels, ANSWERS)


def test_from_the_folder_in_the_environment(folder, monkeypatch):
    monkeypatch.setenv("TINYTENSOR_DATA", str(folder))
    assert np.array_equal(mnist("test")[0], DIGITS)


def test_an_explicit_folder_comes_before_the_environment(folder, monkeypatch):
    monkeypatch.setenv("TINYTENSOR_DATA", str(folder / "elsewhere"))
    assert np.array_equal(mnist("test", str(folder))[1], ANSWERS)
    with pytest.raises(DatasetError, match=r"elsewhere: .*no such folder"):
        mnist("test")


def test_from_nowhere():
    with pytest.raises(DownloadError, match=r"t10k-images-idx3-ubyte\.gz could not be downloaded"):
        mnist("test")


def test_a_folder_without_the_files(folder):
    with pytest.raises(
        DatasetError, match=r"no train-images-idx3-ubyte\.gz and no train-images-idx3-ubyte in it"
    ):
        mnist("train", folder)


def test_a_file_that_is_not_what_it_is_called(folder):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(DIGITS))
    with pytest.raises(DatasetError, match=r"t10k-labels-idx1-ubyte: expected .* 1 axes"):
        mnist("test", folder)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (DIGITS[:4], ANSWERS),
        (DIGITS[:, 1:], ANSWERS),
        (DIGITS[:, :, 1:], ANSWERS),
        (DIGITS[:0], ANSWERS[:0]),
        (DIGITS, ANSWERS + np.uint8(5)),
    ],
    ids=["fewer images", "27 rows", "27 columns", "none", "a label 10"],
)
def test_files_that_are_not_digits(folder, images, labels):
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(idx_bytes(images))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    with pytest.raises(DatasetError, match=r"expected images \(n, 28, 28\) and n labels from 0 to 9"):
        mnist("test", folder)


def test_bad_arguments(folder):
    with pytest.raises(ArgumentError, match='expected "train", "test" or "sample"'):
        mnist("validation")
    with pytest.raises(ArgumentError, match="comes with the package"):
        mnist("sample", folder)
