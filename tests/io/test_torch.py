"""PyTorch: modules both ways, and files."""

import collections
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.models import activations, sequentials
from tests.naive import within
from tests.rounding import error_bound

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn

NOT_IN_TORCH = (tt.ClippedLinear, tt.ScaledELU)
models = sequentials(
    without=("perceptron",), functions=activations.filter(lambda f: not isinstance(f, NOT_IN_TORCH))
).filter(lambda model: "axis=-1" not in repr(model).replace("Softmax(axis=-1)", ""))


def agree(model, module, x):
    """Both within the bound of rounding of the exact value, hence within twice that of one another."""
    with torch.no_grad():
        theirs = module(torch.from_numpy(x)).numpy()
    within(model(x), theirs, 2 * error_bound(model, x))


@given(models, st.integers(0, 9))
def test_there_and_back(model, seed):
    module = tt.to_torch(model)
    wide = any(p.dtype == np.float64 for p in model.parameters().values())
    x = np.random.default_rng(seed).standard_normal((4, 6)).astype(np.float64 if wide else np.float32)
    agree(model, module, x)
    again = tt.from_torch(module)
    within(again(x), np.asarray(model(x)), 2 * error_bound(model, x))
    if not wide and "Reshape" not in repr(model) and "LayerNorm" not in repr(model):
        assert repr(again) == repr(model)
        assert np.array_equal(again(x), model(x))


@pytest.mark.parametrize(
    "module",
    [
        nn.AlphaDropout(0.3), nn.BatchNorm1d(6), nn.BatchNorm1d(6, affine=False, eps=0.1), nn.CELU(0.7),
        nn.Dropout(0.3), nn.Dropout1d(), nn.ELU(0.5), nn.Flatten(), nn.GELU(), nn.GELU("tanh"),
        nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(-2, 0.5), nn.Identity(), nn.LayerNorm(6),
        nn.LayerNorm(6, elementwise_affine=False), nn.LeakyReLU(0.3), nn.Linear(6, 3),
        nn.Linear(6, 3, bias=False), nn.Linear(6, 3, dtype=torch.bfloat16).float(), nn.LogSoftmax(dim=1),
        nn.LogSoftmax(dim=0), nn.Mish(), nn.PReLU(), nn.PReLU(6), nn.ReLU(), nn.ReLU6(), nn.SELU(), nn.SiLU(),
        nn.Sigmoid(), nn.Softmax(dim=-1), nn.Softplus(), nn.Softsign(), nn.Tanh(), nn.Threshold(0.3, 0.0),
        nn.Unflatten(1, (2, 3)),
    ],
    ids=str,
)  # fmt: skip
def test_every_module(module):
    rng = torch.Generator().manual_seed(0)
    for name, values in [*module.named_parameters(), *module.named_buffers()]:
        if values.is_floating_point():
            values.data = torch.rand(values.shape, generator=rng) + 0.1
        assert name
    x = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    agree(tt.from_torch(module), module.eval(), x)


def test_an_image_in_front():
    module = nn.Sequential(
        collections.OrderedDict(
            flat=nn.Flatten(), body=nn.Sequential(nn.Linear(12, 5), nn.Tanh()), out=nn.Linear(5, 2)
        )
    ).eval()
    model = tt.from_torch(module)
    assert list(model.state_dict()) == list(module.state_dict())
    agree(model, module, np.random.default_rng(0).standard_normal((3, 3, 4)).astype(np.float32))


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Conv2d(1, 1, 3))),
            r"1\.0: Conv2d.*torch\.onnx\.export",
        ),
        (nn.Softplus(beta=2), "Softplus"),
        (nn.Flatten(0), "Flatten"),
        (nn.BatchNorm1d(3, track_running_stats=False), "BatchNorm1d"),
        (nn.Threshold(1.0, 5.0), "Threshold"),
    ],
)
def test_modules_without_a_layer(module, said):
    with pytest.raises(tt.UnsupportedOp, match=said):
        tt.from_torch(module)


def test_what_is_no_module_and_what_is_no_layer_of_theirs():
    with pytest.raises(tt.DtypeError, match=r"expected a torch\.nn\.Module"):
        tt.from_torch({"0.weight": 1})
    with pytest.raises(tt.UnsupportedOp, match=r"1: 0: Lambda\(<lambda>\): PyTorch has no"):
        tt.to_torch(tt.Sequential(tt.relu, tt.Sequential(tt.Lambda(lambda x: x))))


def test_a_subclass_of_a_module_is_not_mistaken_for_it():
    class ReLU(nn.Module):
        def forward(self, x):
            return -x

    with pytest.raises(tt.UnsupportedOp, match="ReLU"):
        tt.from_torch(nn.Sequential(ReLU()))


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"epoch": 3, "model_state_dict": state}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_files_of_state_dicts(tmp_path, new, wrap, dtype):
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).to(dtype)
    path = tmp_path / "net.pt"
    torch.save(wrap(module.state_dict()), path, _use_new_zipfile_serialization=new)
    model = tt.load(path)
    for name, values in module.state_dict().items():
        assert np.array_equal(model.state_dict()[name], values.double().numpy())

    other = tt.Sequential(tt.Linear(3, 2), tt.relu, tt.Linear(2, 1))
    tt.load_weights(other, path)
    assert np.array_equal(other[2].weight, module[1].weight.detach().float().numpy())


def saved(thing):
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


class Canary:
    def __reduce__(self):
        return (pytest.fail, ("code from a file ran",))


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        ({"0.weight": Canary()}, "without running code"),
        (nn.Sequential(nn.Linear(2, 1)), "save model.state_dict()"),
        ([torch.ones(2)], "expected a dict of tensors"),
        ({"0.weight": 1.0}, "expected a dense tensor"),
        ({"0.weight": torch.ones(2, 2, dtype=torch.complex64)}, "real numbers"),
        ({"0.weight": torch.ones(1).expand(1 << 20, 1 << 10)}, "would take 4294967296 bytes"),
        ({"0.weight": torch.ones(2, 2).to_sparse()}, "dense"),
        ({0: torch.ones(2, 2)}, "expected a dense tensor"),
    ],
)  # fmt: skip
def test_files_that_hold_something_else(tmp_path, thing, said):
    (tmp_path / "net.pt").write_bytes(saved(thing))
    with pytest.raises(tt.ModelFormatError, match=said):
        tt.load(tmp_path / "net.pt")


def test_an_archive_that_would_grow(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(200 << 20))
    with pytest.raises(tt.ModelFormatError, match="209715200"):
        tt.load(tmp_path / "net.pt")
