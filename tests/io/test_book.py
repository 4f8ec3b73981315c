import os
import pathlib
import pickle
import pickletools

import numpy as np
import pytest

import tinytensor as tt
from tests.io.damage import damaged
from tinytensor.io import book, pickles

SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data"
COURSE = SHARED / "book" / "sample_weight.pkl"


def weights(dtype=np.float32):
    rng = np.random.default_rng(0)
    sizes = [6, 5, 4, 3]
    values = {f"W{i + 1}": rng.normal(size=sizes[i : i + 2]).astype(dtype) for i in range(3)}
    return values | {f"b{i + 1}": rng.normal(size=sizes[i + 1]).astype(dtype) for i in range(3)}


def pickled(path, content, protocol=3):
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


def numpy_1_names(content):
    """As NumPy 1, which the course used, names the functions of a pickle."""
    return content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4"])
def test_the_network_of_a_pickle(tmp_path, protocol, dtype):
    values = weights(dtype)
    model = book.load(pickled(tmp_path / "a.pkl", values, protocol))
    assert [type(layer).__name__ for layer in model] == [
        "Linear",
        "Sigmoid",
        "Linear",
        "Sigmoid",
        "Linear",
        "Softmax",
    ]
    assert np.array_equal(model[0].weight, values["W1"].T)
    assert np.array_equal(model[4].bias, values["b3"])
    assert model[0].weight.dtype == np.dtype(dtype).newbyteorder("=")
    with pytest.raises(
        tt.ModelFormatError, match=r"holds weights only(.|\n)*tt\.io\.book\.load\('.*a\.pkl'\)"
    ):
        tt.load(tmp_path / "a.pkl")
    again = tt.Sequential(
        tt.Linear(6, 5), tt.sigmoid, tt.Linear(5, 4), tt.sigmoid, tt.Linear(4, 3), tt.softmax
    )
    tt.load_weights(again, tmp_path / "a.pkl")
    assert np.array_equal(again[2].weight, values["W2"].T.astype(np.float32))


def test_arrays_in_fortran_order(tmp_path):
    values = weights()
    values["W1"] = np.asfortranarray(values["W1"])
    model = book.load(pickled(tmp_path / "a.pkl", values))
    assert np.array_equal(model[0].weight, values["W1"].T)


def test_the_names_of_numpy_1(tmp_path):
    content = numpy_1_names(pickle.dumps(weights(), 3))
    assert len(book.load(pickled(tmp_path / "a.pkl", content))) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W4": np.ones((3, 2))}, "expected arrays W1, b1"),
        ({"b3": None}, "expected a dict of arrays by name"),
        ({"b3": np.ones(3, int)}, "expected arrays of f4 or f8, got 'i8'"),
        ({"b3": np.array(["a"])}, "expected arrays of f4 or f8, got 'U1'"),
        ({"b3": np.array([print], object)}, "has no place in a dict of arrays|asks for"),
        ({"b3": np.ones(4)}, "bias: expected shape"),
        ({"b3": np.ones((1, 3))}, "bias: expected shape"),
        ({"W2": np.ones((6, 4))}, r"W2: expected \(in, out\) after W1's, got \(6, 4\)|W2: "),
        ({"W1": np.ones(6)}, "W1: "),
        ({"W1": np.ones((6, 0))}, "W2: |features"),
    ],
)
def test_dicts_that_are_no_network(tmp_path, change, message):
    with pytest.raises(tt.ModelFormatError, match=message):
        book.load(pickled(tmp_path / "a.pkl", weights() | change))


class Canary:
    """Runs a command when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_in_a_pickle_is_run(tmp_path, protocol):
    canary = tmp_path / "canary"
    for content in (Canary(canary), {"W1": Canary(canary)}, weights() | {"x": Canary(canary)}):
        with pytest.raises(tt.ModelFormatError):
            tt.load(pickled(tmp_path / "a.pkl", content, protocol))
        with pytest.raises(tt.ModelFormatError):
            book.load(tmp_path / "a.pkl")
    assert not canary.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"", b".", b"\x80\x03.", b"\x80\x03N.", b"\x80\x03}.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x03cnumpy\nndarray\nK\x0a\x85R.",
        b"\x80\x03cnumpy\ndtype\nX\x01\x00\x00\x00OR.",
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\n)R.",
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\nN}b.",
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct.__init__.__globals__\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x80\x03cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
        b"\x80\x03}r\xff\xff\xff\x7f.",  # a memo of 2^31 places
        b"\x80\x03" + b"(" * 20_000 + b".",
        b"\x80\x03)" + b"q\x00h\x00\x86" * 60 + b"}(" + b"h\x00N" + b"u.",  # 2^60 steps to hash
        b"\x80\x03}q\x00(X\x01\x00\x00\x00ah\x00u.",  # a dict inside itself
        b"\x80\x03B\xff\xff\xff\x7fabc.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x03P1\n.", b"\x80\x03\x82\x01.",
    ],
)  # fmt: skip
def test_pickles_made_to_hurt(tmp_path, content):
    with pytest.raises(tt.ModelFormatError):
        book.load(pickled(tmp_path / "a.pkl", content))


def test_an_array_that_lies_about_its_shape(tmp_path):
    content = pickle.dumps({"W1": np.ones((3, 2), np.float32), "b1": np.ones(2, np.float32)}, 3)
    for lie in (b"K\x03K\x03\x86", b"K\x03J\xff\xff\xff\xff\x86", b"K\x03N\x86"):
        with pytest.raises(tt.ModelFormatError, match=r"shape|no pickle"):
            book.load(pickled(tmp_path / "a.pkl", content.replace(b"K\x03K\x02\x86", lie)))


def test_every_truncation_and_a_flipped_bit_in_every_byte(tmp_path):
    rng = np.random.default_rng(0)
    values = {"W1": rng.normal(size=(2, 2)).astype(np.float32), "b1": rng.normal(size=2).astype(np.float32)}
    content = pickle.dumps(values, 3)
    path = tmp_path / "a.pkl"
    for each in damaged(content):
        path.write_bytes(each)
        try:
            model = book.load(path)
        except tt.ModelFormatError:
            continue
        assert [type(layer).__name__ for layer in model] == ["Linear", "Softmax"]  # no checksum in a pickle


def test_a_file_over_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "SIZE_LIMIT", 100)
    with pytest.raises(tt.ModelFormatError, match="expected at most 100 bytes"):
        book.load(pickled(tmp_path / "a.pkl", weights()))


@pytest.mark.skipif(not COURSE.exists(), reason="the course's weights are not beside the repository")
def test_the_courses_file_uses_three_names_and_little_else():
    names = {
        argument for code, argument, _ in pickletools.genops(COURSE.read_bytes()) if code.name == "GLOBAL"
    }
    assert names == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
    arrays = np.load(COURSE.with_suffix(".npz"))
    model = book.load(COURSE)
    for i in range(3):
        assert np.array_equal(model[2 * i].weight, arrays[f"W{i + 1}"].T)
        assert np.array_equal(model[2 * i].bias, arrays[f"b{i + 1}"])


@pytest.mark.skipif(not COURSE.exists(), reason="the course's weights are not beside the repository")
def test_the_courses_network_recognises_exactly_9352_digits():
    images, labels = tt.datasets.mnist("test", data=SHARED / "mnist")
    model = book.load(COURSE)
    pixels = images.reshape(len(images), -1) / np.float32(255)
    assert (model.predict(pixels, batch_size=1000).argmax(axis=1) == labels).sum() == 9352

    with_raw_pixels = tt.Sequential(tt.Flatten(), tt.Rescale(1 / 255), model)
    assert (with_raw_pixels.predict(images).argmax(axis=1) == labels).sum() == 9352


# Convolutional networks


def deep(rng):
    """Weights of DeepConvNet."""
    outs, ins = (16, 16, 32, 32, 64, 64), (1, 16, 16, 32, 32, 64)
    shapes = [(o, i, 3, 3) for o, i in zip(outs, ins, strict=True)] + [(1024, 50), (50, 10)]
    values = {f"W{i + 1}": 0.1 * rng.standard_normal(shape) for i, shape in enumerate(shapes)}
    return values | {f"b{i + 1}": rng.standard_normal(n) for i, n in enumerate((*outs, 50, 10))}


def test_the_deep_network_of_chapter_8(tmp_path):
    values = deep(np.random.default_rng(0))
    model = book.load(pickled(tmp_path / "a.pkl", values))
    kinds = [type(layer).__name__ for layer in model]
    twice = ["Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d"]
    assert kinds == [*twice * 3, "Flatten", "Linear", "ReLU", "Linear", "Softmax"]
    pads = [layer.padding for layer in model if type(layer) is tt.Conv2d]
    assert pads == [1, 1, 1, 2, 1, 1]
    assert model.predict(np.zeros((2, 1, 28, 28))).shape == (2, 10)
    assert np.array_equal(model[7].weight, values["W4"])
    assert np.array_equal(model[16].weight, values["W7"].T)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W7": np.ones((1000, 50))}, r"W7: expected \(in, out\) that fits"),
        ({"W3": np.ones((32, 8, 3, 3))}, r"W3: expected \(out, 16, k, k\) for images of 14×14"),
        ({"W3": np.ones((32, 16, 3, 2))}, "W3: expected"),
        ({"W6": np.ones((64, 64))}, "expected the weights of SimpleConvNet"),
        ({"W9": np.ones((10, 10)), "b9": np.ones(10)}, "expected the weights of SimpleConvNet"),
        ({"b1": np.ones(3)}, "bias: expected shape"),
    ],
)  # fmt: skip
def test_what_is_no_network_of_the_course(tmp_path, change, message):
    with pytest.raises(tt.ModelFormatError, match=message):
        book.load(pickled(tmp_path / "a.pkl", deep(np.random.default_rng(0)) | change))


def test_the_simple_network_of_chapter_7_reads_9600_of_10000_digits():
    path = SHARED / "book" / "simple_convnet_params.pkl"
    if not path.exists() or not (SHARED / "mnist").is_dir():
        pytest.skip("the course's params.pkl or MNIST is not there")
    images, labels = tt.datasets.mnist("test", SHARED / "mnist")
    model = book.load(path)
    y = model.predict((images.reshape(-1, 1, 28, 28) / np.float32(255)).astype(np.float32), batch_size=1000)
    assert int((np.asarray(y).argmax(1) == labels).sum()) == 9600
