"""PyTorch's files of tensors, read without PyTorch; where it is installed, against what it reads."""

import io
import pickle
import struct
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tests.io.damage import damaged

DATA = Path(__file__).parent / "data"


def expected():
    """What is in the small files: eighths, one more for each array."""
    shapes = {"0.weight": (4, 3), "0.bias": (4,), "2.weight": (2, 4), "2.bias": (2,)}
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    return {
        name: (np.arange(sizes[name], dtype=np.float32) / 8 + i).reshape(shape)
        for i, (name, shape) in enumerate(shapes.items())
    }


@pytest.mark.parametrize(("file", "prefix"), [("small.pt", ""), ("small_before_1_6.pt", "model_state_dict.")])
def test_both_layouts_of_a_file(file, prefix):
    state = tt.io.read_state(DATA / file)
    assert list(state) == [prefix + name for name in expected()]
    for name, array in expected().items():
        assert np.array_equal(state[prefix + name], array)
        assert state[prefix + name].dtype == np.float32
    model = tt.Sequential(tt.Linear(3, 4), tt.relu, tt.Linear(4, 2))
    assert tt.load_weights(model, DATA / file) == ([], [])
    assert np.array_equal(model[2].bias, expected()["2.bias"])


def test_pytorch_is_not_imported():
    script = """
        import sys
        import tinytensor as tt
        tt.io.read_state(sys.argv[1])
        print("torch" in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), DATA / "small.pt"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


# The opcodes of data.pkl, put together by hand.


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value) if value < 1 << 31 else b"\x8a\x08" + struct.pack("<q", value)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def stored(
    shape=(2,), strides=(1,), offset=0, count=2, kind="FloatStorage", key="0", word="storage", more=b""
):
    reference = (
        b"(" + text(word) + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + number(count) + b"tQ"
    )
    arguments = reference + number(offset) + numbers(shape) + numbers(strides)
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + arguments
        + b"\x89ccollections\nOrderedDict\n)R"
        + more
        + b"tR"
    )


def program(body):
    return b"\x80\x02" + body + b"."


def saved(path, body, data=b"\0\0\xc0\x3f\0\0\0\xc0", **members):
    content = {"archive/data.pkl": program(body), "archive/byteorder": b"little", "archive/data/0": data}
    content |= {name.replace("__", "/"): each for name, each in members.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, each in content.items():
            archive.writestr(name, each)
    return path


def one(value):
    return b"}" + text("w") + value + b"s"


def test_a_file_made_by_hand(tmp_path):
    assert tt.io.read_state(saved(tmp_path / "a.pt", one(stored())))["w"].tolist() == [1.5, -2.0]
    views = {
        ((2, 3), (0, 0), 1): [[-2.0] * 3] * 2, ((1, 2), (1 << 40, 1), 0): [[1.5, -2.0]], ((), (), 1): -2.0,
        ((0, 3), (3, 1), 0): [],
    }  # fmt: skip
    for (shape, strides, offset), values in views.items():
        state = tt.io.read_state(saved(tmp_path / "a.pt", one(stored(shape, strides, offset))))
        assert state["w"].tolist() == values
        assert state["w"].shape == shape


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (one(stored(shape=(3,))), "reaches beyond its storage"),
        (one(stored(offset=1)), "reaches beyond its storage"),
        (one(stored(strides=(2,))), "reaches beyond its storage"),
        (one(stored(strides=(-1,), offset=1)), "expected a tensor in a storage"),
        (one(stored(offset=-1)), "expected a tensor in a storage"),
        (one(stored(shape=(2, 1))), "has strides"),
        (one(stored(shape=(1,) * 65, strides=(1,) * 65)), "has strides"),
        (one(stored(shape=(0, 1 << 60), strides=(1, 1))), "has strides"),
        (one(stored(count=3)), "has 8 bytes"),
        (one(stored(count=1 << 60)), "has 8 bytes"),
        (one(stored(count=-1)), "expected a storage"),
        (one(stored(key="1")), "is missing in the archive"),
        (one(stored(key="../byteorder")), "is missing in the archive|has 6 bytes"),
        (one(stored(word="file")), "expected a storage"),
        (one(stored(kind="ComplexFloatStorage")), "not of real numbers"),
        (one(stored(shape=(1 << 15, 1 << 10), strides=(0, 0))), "would take 134217728 bytes"),
        (one(stored(more=b"}" + text("neg") + b"\x88s")), "expected plain tensors"),
        (one(b"ctorch._utils\n_rebuild_sparse_tensor\n)R"), "not dense"),
        (one(b"ctorch\nload\n" + text("x") + b"\x85R"), "not dense"),
        (one(b"ctorch.nn.modules.linear\nLinear\n)R"), "weights_only=False"),
        (one(b"cposix\nsystem\n" + text("true") + b"\x85R"), r"asks for posix.system"),
        (one(stored()) + b"q\x00h\x00" + text("x") + b"K\x01s", "is changed"),
        (b"}q\x00" + text("x") + b"h\x00s", "is changed"),
        (one(b"P1\n"), "PERSID has no place"),
        (one(text("storage") + b"Q"), "expected a storage|no pickle"),
        (b"K\x01", "holds no arrays"),
        (b"", "no pickle|at least"),
    ],
)  # fmt: skip
def test_files_that_lie(tmp_path, body, said):
    with pytest.raises(tt.ModelFormatError, match=said):
        tt.load(saved(tmp_path / "a.pt", body))


def doubled(levels):
    """A tuple of itself, twice, that many times."""
    return b")q\x00" + b"".join(b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(levels))


@pytest.mark.parametrize(
    "body",
    [
        b"}" + doubled(40) + b"K\x01s",  # 2^40 steps to hash
        b"}" + text("w") + doubled(40) + b"s",  # to walk through
        b"}" + doubled(3) + b"K\x01s",  # a key that is no text
        one(b"(" * 5_000 + b"t" * 5_000),
        b"}" + b"(" + (b"\x8a\x08" + b"\xff" * 7 + b"\x1f" + b"K\x01") * 1_000 + b"u",  # keys that collide
        b"}r\xff\xff\xff\x7f",  # a memo of 2^31 places
        b"N" * (1 << 19),
        one(b"X\xff\xff\xff\x7fx"),
        one(b"\x8e" + b"\xff" * 8),
    ],
    ids=range(9),
)
def test_pickles_that_would_cost_much(tmp_path, body):
    with pytest.raises(tt.ModelFormatError):
        tt.load(saved(tmp_path / "a.pt", body))


def test_archives_that_are_no_state_dict(tmp_path):
    with pytest.raises(tt.ModelFormatError, match="TorchScript"):
        tt.load(
            saved(
                tmp_path / "a.pt",
                one(stored()),
                archive__constants__pkl=b"",
                **{"archive/constants.pkl": b""},
            )
        )
    with pytest.raises(tt.ModelFormatError, match="little-endian"):
        tt.load(saved(tmp_path / "a.pt", one(stored()), archive__byteorder=b"big"))
    with pytest.raises(tt.ModelFormatError, match=r"one data\.pkl"):
        tt.load(saved(tmp_path / "a.pt", one(stored()), **{"other/data.pkl": program(one(stored()))}))
    with pytest.raises(tt.ModelFormatError, match="bools"):
        tt.load(saved(tmp_path / "a.pt", one(stored(kind="BoolStorage")), b"\x01\x02"))


def test_the_layout_of_old_files_damaged():
    content = (DATA / "small_before_1_6.pt").read_bytes()
    wanted = sum(array.nbytes for array in expected().values())
    loaded = 0
    for each in damaged(content):
        try:
            state = tt.io.pt.of_pickles(each, 1 << 24)
            loaded += 1
        except tt.ModelFormatError:
            continue
        assert sum(array.nbytes for array in state.values()) <= wanted
    assert loaded  # flips of numbers are not seen: the format has no checksum


def test_an_archive_that_would_grow(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(200 << 20))
    with pytest.raises(tt.ModelFormatError, match="209715200"):
        tt.load(tmp_path / "net.pt")


@pytest.fixture(name="torch")
def fixture_of_torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def saved_by(torch, thing, **options):
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    "dtype",
    ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16",
     "uint32", "uint64", "bool"],
)  # fmt: skip
def test_every_dtype_and_layout(torch, tmp_path, dtype, new):
    values = torch.arange(24).reshape(4, 6).to(getattr(torch, dtype))
    tensors = {
        "plain": values, "transposed": values.T, "strided": values[::2, 1::3], "offset": values[2:],
        "expanded": values[:, :1].expand(4, 5), "scalar": values[1, 1], "empty": values[:0],
        "parameter": torch.nn.Parameter(values.clone(), requires_grad=False),
    }  # fmt: skip
    (tmp_path / "t.pt").write_bytes(saved_by(torch, tensors, _use_new_zipfile_serialization=new))
    state = tt.io.read_state(tmp_path / "t.pt")
    assert list(state) == list(tensors)
    for name, tensor in tensors.items():
        wanted = (
            (tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor).detach().numpy()
        )
        assert state[name].dtype == wanted.dtype
        assert np.array_equal(state[name], wanted)


@pytest.mark.parametrize("new", [True, False])
def test_checkpoints(torch, tmp_path, new):
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.ReLU(), torch.nn.Linear(5, 2)
    )
    optimizer = torch.optim.Adam(
        [{"params": net[0].parameters()}, {"params": net[3].parameters(), "lr": 0.1}]
    )
    net(torch.ones(3, 4)).sum().backward()
    optimizer.step()
    checkpoint = {
        "net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "loss": 0.25, "name": "é",
        "shape": torch.Size([1, 2]), "device": torch.device("cpu"), "dtype": torch.float32,
        "history": [(1, 0.5), (2, None)],
    }  # fmt: skip
    (tmp_path / "c.pt").write_bytes(saved_by(torch, checkpoint, _use_new_zipfile_serialization=new))
    model = tt.Sequential(tt.Linear(4, 5), tt.BatchNorm(*np.ones((4, 5))), tt.relu, tt.Linear(5, 2))
    skipped = tt.load_weights(model, tmp_path / "c.pt")
    assert skipped.missing == []
    assert all(name.startswith("optimizer.") for name in skipped.unexpected)
    assert np.array_equal(model[3].weight, net[3].weight.detach().numpy())
    assert np.array_equal(model[1].running_var, net[1].running_var.numpy())


def test_what_is_saved_whole_is_refused_and_the_advice_works(torch, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Sigmoid())
    (tmp_path / "m.pt").write_bytes(saved_by(torch, net))
    said = (
        r"m\.pt: byte \d+ of its pickle: more than tensors \(torch\.nn\.modules\.container\.Sequential\), "
        r"as a module that was saved whole; if you trust the file, load it with "
        r"torch\.load\(path, weights_only=False\), then tt\.from_torch\(module\.eval\(\)\), or "
        r"tt\.load_weights\(model, module\.state_dict\(\)\)$"
    )
    with pytest.raises(tt.ModelFormatError, match=said):
        tt.load(tmp_path / "m.pt")
    module = torch.load(tmp_path / "m.pt", weights_only=False)
    assert len(tt.from_torch(module.eval())) == 2
    model = tt.Sequential(tt.Linear(2, 1), tt.sigmoid)
    assert tt.load_weights(model, module.state_dict()) == ([], [])
    assert np.array_equal(model[0].weight, net[0].weight.detach().numpy())


@pytest.mark.parametrize(
    "make",
    [
        lambda torch: torch.ones(2, 2, dtype=torch.complex64), lambda torch: torch.ones(2, 2).to_sparse(),
        lambda torch: torch.empty((2, 3), device="meta"),
        lambda torch: torch.ones(2, 3, dtype=torch.complex64).conj().imag,
        lambda torch: torch.ones(2).to(torch.float8_e4m3fn),
        lambda torch: torch.empty((2, 3), dtype=torch.bits8),
        lambda torch: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    ],
    ids=range(7),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_tensors_of_other_kinds(torch, tmp_path, make):
    (tmp_path / "t.pt").write_bytes(saved_by(torch, {"0.weight": make(torch)}))
    with pytest.raises(tt.ModelFormatError, match=r"a tensor that is not dense|expected plain"):
        tt.load(tmp_path / "t.pt")


def test_a_pickle_of_python_itself_in_the_archive(tmp_path):
    class Canary:
        def __reduce__(self):
            return (pytest.fail, ("code from a file ran",))

    body = pickle.dumps({"w": Canary()}, 2)[2:-1]
    with pytest.raises(tt.ModelFormatError, match="asks for"):
        tt.load(saved(tmp_path / "a.pt", body))
