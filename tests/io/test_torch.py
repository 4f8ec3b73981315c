"""PyTorch: modules both ways, and files."""

import collections
import warnings

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
parametrize = pytest.importorskip("torch.nn.utils.parametrize")
prune = pytest.importorskip("torch.nn.utils.prune")

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
    agree(tt.from_torch(module.eval()), module, x)


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
            nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Conv3d(1, 1, 3))),
            r"1\.0: Conv3d.*torch\.onnx\.export",
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
    for weights in ({"0.weight": 1}, "model.pt"):
        with pytest.raises(tt.DtypeError, match=r"expected a torch\.nn\.Module, got .*; weights go into"):
            tt.from_torch(weights)
    with pytest.raises(tt.UnsupportedOp, match=r"1: 0: Lambda\(<lambda>\): PyTorch has no"):
        tt.to_torch(tt.Sequential(tt.relu, tt.Sequential(tt.Lambda(lambda x: x))))


def test_a_subclass_of_a_module_is_not_mistaken_for_it():
    class ReLU(nn.Module):
        def forward(self, x):
            return -x

    with pytest.raises(tt.UnsupportedOp, match="ReLU"):
        tt.from_torch(nn.Sequential(ReLU()))


def samples(*shape):
    return np.random.default_rng(1).standard_normal(shape, np.float32)


def test_a_module_that_stands_twice_is_two_steps():
    shared, activation = nn.Linear(6, 6), nn.ELU()
    module = nn.Sequential(shared, activation, nn.Linear(6, 6), activation, shared).eval()
    model = tt.from_torch(module)
    assert [type(each).__name__ for each in model] == ["Linear", "ELU", "Linear", "ELU", "Linear"]
    agree(model, module, samples(5, 6))


def test_tied_weights():
    module = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    module[2].weight = module[0].weight
    model = tt.from_torch(module)
    assert np.array_equal(model[0].weight, model[2].weight)
    agree(model, module, samples(5, 6))


def weight_norm_of_old(linear):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(linear)


def pruned(linear):
    prune.l1_unstructured(linear, "weight", amount=0.5)
    prune.random_unstructured(linear, "bias", amount=0.5)
    return linear


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def parametrized(linear):
    parametrize.register_parametrization(linear, "weight", Doubled())
    return linear


@pytest.mark.parametrize(
    "change",
    [
        weight_norm_of_old, nn.utils.parametrizations.weight_norm, nn.utils.spectral_norm,
        nn.utils.parametrizations.spectral_norm, nn.utils.parametrizations.orthogonal, pruned, parametrized,
    ],
)  # fmt: skip
def test_effective_weights(change):
    torch.manual_seed(0)
    module = nn.Sequential(change(nn.Linear(6, 6)), nn.ReLU(), nn.Linear(6, 2))
    module.train()(torch.ones(4, 6))  # the state of a spectral norm is that after some training
    with torch.no_grad():
        for parameter in module.parameters():  # what was computed before is out of date
            parameter.mul_(1.5)
    module.eval()
    agree(tt.from_torch(module), module, samples(5, 6))


def negate(module, inputs, output):
    return -output


def test_hooks_are_refused_by_name():
    module = nn.Sequential(nn.Linear(6, 2), nn.ReLU())
    handle = module[1].register_forward_hook(negate)
    with pytest.raises(tt.UnsupportedOp, match=r"^1: ReLU\(\): has the hook negate"):
        tt.from_torch(module)
    handle.remove()
    handle = module.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
    with pytest.raises(tt.UnsupportedOp, match=r"^the module: Sequential(.|\n)*has the hook"):
        tt.from_torch(module)
    handle.remove()
    module[1].forward = lambda x: -x
    with pytest.raises(tt.UnsupportedOp, match=r"^1: ReLU\(\): has a forward of its own"):
        tt.from_torch(module)
    del module[1].forward
    assert len(tt.from_torch(module)) == 2


@pytest.mark.parametrize(
    "layer",
    [nn.Dropout(0.5), nn.Dropout1d(), nn.AlphaDropout(), nn.BatchNorm1d(6),
     nn.utils.spectral_norm(nn.Linear(6, 6)), nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6))],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_training_mode_is_refused_where_it_differs(layer):
    module = nn.Sequential(nn.Linear(6, 6), layer)
    with pytest.raises(tt.UnsupportedOp, match=r"1(\..*)?: (.|\n)*is in training mode.*module\.eval\(\)"):
        tt.from_torch(module)
    assert len(tt.from_torch(module.eval())) == 2  # the advice
    assert len(tt.from_torch(nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.0), nn.LayerNorm(6)).train())) == 3


def test_what_differs_from_its_layers_is_refused():
    def shift(module, inputs, output):
        return output + 1e-3 if isinstance(module, nn.Linear) else None

    module = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))
    said = r"values differ by 0\.00\d+, where rounding explains .*e-0\d"
    with nn.modules.module.register_module_forward_hook(shift), pytest.raises(tt.UnsupportedOp, match=said):
        tt.from_torch(module)
    assert len(tt.from_torch(module)) == 3


def test_a_module_that_needs_an_example():
    module = nn.Sequential(nn.Unflatten(1, (2, -1)), nn.Flatten(), nn.Linear(7, 2)).double()
    with pytest.raises(tt.UnsupportedOp, match=r"tinytensor has no such layer|pass samples"):
        tt.from_torch(module)
    module = nn.Sequential(nn.Softmax(dim=2))
    with pytest.raises(tt.UnsupportedOp, match=r"pass samples .*: tt\.from_torch\(module, example=x\)"):
        tt.from_torch(module)
    assert len(tt.from_torch(module, example=np.ones((2, 3, 4), np.float32))) == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_modules_of_other_dtypes(dtype):
    module = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 3), nn.Softmax(-1)).to(
        dtype
    )
    model = tt.from_torch(module)
    assert np.array_equal(model[0].weight, module[0].weight.detach().double().numpy())


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)),
        nn.Sequential(nn.BatchNorm3d(3), nn.ReLU()),
        nn.Sequential(nn.ReLU(), nn.LayerNorm((3, 4)), nn.Flatten(), nn.Linear(12, 2)),
        nn.Sequential(nn.Tanh(), nn.PReLU(5), nn.Linear(5, 1)),
        nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Flatten()),
        nn.Sequential(),
    ],
    ids=lambda module: type(next(iter(module), module)).__name__,
)  # fmt: skip
def test_samples_are_drawn_in_a_shape_that_the_layers_take(module):
    assert len(tt.from_torch(module.eval())) == len(module)


def test_saved_weights_of_a_module_that_was_registered_twice(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(6, 4), nn.Linear(4, 2)
            self.net = nn.Sequential(self.fc1, nn.ReLU(), self.fc2)

        def forward(self, x):
            return self.net(x)

    module = Net()
    torch.save(module.state_dict(), tmp_path / "net.pt")
    model = tt.Sequential(tt.Linear(6, 4), tt.relu, tt.Linear(4, 2))
    assert tt.load_weights(model, tmp_path / "net.pt") == ([], [])
    agree(model, module, samples(5, 6))
    module.fc3 = nn.Linear(6, 4)  # of the same shape, with other values, is in doubt
    torch.save(module.state_dict(), tmp_path / "net.pt")
    assert tt.load_weights(model, tmp_path / "net.pt", prefix="net") == ([], ["fc3.weight", "fc3.bias"])


# Images


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, (3, 2), 2, (1, 0), 2, groups=2, bias=False),
        nn.Conv2d(3, 4, 3, padding="same"), nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 4, 3, padding=(1, 0), padding_mode="replicate"), nn.Conv1d(3, 4, 3, padding=1),
        nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2), nn.MaxPool2d(3, 2, 1), nn.MaxPool1d(2), nn.AvgPool1d(3, 1),
        nn.AvgPool2d(3, 2, 1, True, False), nn.AdaptiveAvgPool2d((None, 3)), nn.AdaptiveAvgPool2d(1),
        nn.ZeroPad2d((1, 2, 3, 0)), nn.ConstantPad2d((1, 2, 1, 2), 2.5), nn.ReflectionPad2d((2, 2, 1, 1)),
        nn.ReplicationPad2d((1, 0, 2, 1)), nn.Upsample(scale_factor=2), nn.Upsample((5, 9), mode="bilinear"),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.UpsamplingNearest2d(5),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(),
                      nn.Flatten(), nn.Linear(4 * 13 * 13, 3), nn.Softmax(1)),
        nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU()),
        nn.ConstantPad1d((1, 2), 0.5), nn.Sequential(nn.ReflectionPad2d(2), nn.MaxPool2d(2)),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)),
        nn.Sequential(nn.ConstantPad2d(2, 0.5), nn.Conv2d(3, 4, 3)),
    ],
    ids=lambda module: type(module).__name__,
)  # fmt: skip
def test_modules_of_images_both_ways(module):
    model = tt.from_torch(module.eval())  # which compares them
    assert repr(tt.from_torch(tt.to_torch(model))) == repr(model)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_a_pad_of_one_number_pads_sequences_and_images(mode):
    model = tt.Pad(2, mode, 0.5)
    theirs = tt.to_torch(model)
    for shape in ((2, 3, 5), (2, 3, 5, 4)):
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        assert np.array_equal(theirs(torch.from_numpy(x)).numpy(), model(x).numpy())
        assert repr(tt.from_torch(theirs, example=x)[0]) == repr(model)


def test_embedding_both_ways():
    module = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2)).eval()
    model = tt.from_torch(module)
    assert repr(tt.from_torch(tt.to_torch(model))) == repr(model)


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), nn.MaxPool2d(2, return_indices=True),
        nn.AvgPool2d(2, divisor_override=3), nn.Upsample(2, mode="bicubic"), nn.Embedding(3, 2, max_norm=1.0),
    ],
    ids=lambda module: type(module).__name__,
)  # fmt: skip
def test_modules_of_images_without_a_layer(module):
    with pytest.raises(tt.UnsupportedOp, match="tinytensor has no such layer"):
        tt.from_torch(module.eval())


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (tt.Conv2d(1, 1, 3, channels_last=True), "channels first"),
        (tt.Conv2d(1, 1, 3, padding=((1, 0), (0, 0))), "both sides alike"),
        (tt.Conv2d(1, 1, 3, 2, "same"), "both sides alike"),
        (tt.MaxPool2d(3, 2, "same"), "no padding"),
    ],
)
def test_layers_of_images_without_a_module(layer, said):
    with pytest.raises(tt.UnsupportedOp, match=said):
        tt.to_torch(layer)
