"""Weights of other programs' files into a model that is there."""

import itertools

import numpy as np
import pytest
from safetensors.numpy import save_file

import tinytensor as tt

RNG = np.random.default_rng(0)


def model(*sizes):
    layers = [[tt.Linear(n, m, seed=n), tt.relu] for n, m in itertools.pairwise(sizes)]
    return tt.Sequential([each for pair in layers for each in pair][:-1])


def draw(*shape):
    return RNG.standard_normal(shape, np.float32)


def arrays(names, *sizes):
    found = {}
    for name, n, m in zip(names, sizes, sizes[1:], strict=False):
        found |= {f"{name}.weight": draw(m, n), f"{name}.bias": draw(m)}
    return found


@pytest.mark.parametrize(
    "names",
    [("0", "2", "4"), ("module.0", "module.2", "module.4"), ("fc1", "fc2", "fc3"), ("fc9", "fc10", "fc11"),
     ("net.in", "net.hidden", "net.out")],
)  # fmt: skip
def test_names_of_all_kinds(tmp_path, names):
    found = arrays(names, 3, 4, 5, 2)
    save_file(found, tmp_path / "w.safetensors")
    ours = model(3, 4, 5, 2)
    assert tt.load_weights(ours, tmp_path / "w.safetensors") == ([], [])
    for theirs, name in zip(names, ("0", "2", "4"), strict=True):
        assert np.array_equal(ours[int(name)].weight, found[f"{theirs}.weight"])
        assert np.array_equal(ours[int(name)].bias, found[f"{theirs}.bias"])


def test_square_layers_need_numbers_in_their_names(tmp_path):
    save_file(arrays(["fc2", "fc1"], 3, 3, 3), tmp_path / "w.safetensors")
    assert tt.load_weights(model(3, 3, 3), tmp_path / "w.safetensors") == ([], [])
    save_file(arrays(["query", "key"], 3, 3, 3), tmp_path / "w.safetensors")
    ours = model(3, 3, 3)
    before = ours.state_dict()
    with pytest.raises(tt.ArgumentError, match=r"missing: 0.bias(.|\n)*unexpected: query.weight"):
        tt.load_weights(ours, tmp_path / "w.safetensors")
    assert all(np.array_equal(array, before[name]) for name, array in ours.state_dict().items())


def test_not_strict(tmp_path):
    found = arrays(["module.0", "module.7"], 3, 4, 5)
    save_file(found, tmp_path / "w.safetensors")
    ours = model(3, 4, 2)
    skipped = tt.load_weights(ours, tmp_path / "w.safetensors", strict=False)
    assert skipped.missing == ["2.weight", "2.bias"]
    assert sorted(skipped.unexpected) == ["7.bias", "7.weight"]
    assert np.array_equal(ours[0].weight, found["module.0.weight"])


def test_halves_are_widened_exactly(tmp_path):
    values = np.concatenate([np.arange(1 << 16, dtype=np.uint16)])
    halves = values.view(np.float16)
    brains = (values.astype(np.uint32) << 16).view(np.float32)
    header = (
        b'{"f16":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]},'
        b'"bf16":{"dtype":"BF16","shape":[65536],"data_offsets":[131072,262144]}}'
    )
    content = len(header).to_bytes(8, "little") + header + values.tobytes() * 2
    (tmp_path / "w.safetensors").write_bytes(content)
    state = tt.io.read_state(tmp_path / "w.safetensors")
    assert np.array_equal(state["f16"], halves.astype(np.float32), equal_nan=True)
    assert np.array_equal(state["bf16"], brains, equal_nan=True)
    assert state["f16"].dtype == state["bf16"].dtype == np.float32


def test_weights_of_our_own_files(tmp_path):
    theirs, ours = model(3, 4, 2), model(3, 4, 2)
    for name in ("m.safetensors", "m.npz"):
        theirs.save(tmp_path / name)
        tt.load_weights(ours, tmp_path / name)
        assert np.array_equal(ours[2].weight, theirs[2].weight)


def test_a_plain_file_of_one_layer_is_a_model(tmp_path):
    found = arrays(["0"], 3, 2)
    save_file(found, tmp_path / "w.bin")
    assert repr(tt.load(tmp_path / "w.bin")) == "Sequential(\n    Linear(in_features=3, out_features=2),\n)"
    save_file(arrays(["0", "2"], 3, 2, 2), tmp_path / "w.bin")
    with pytest.raises(tt.ModelFormatError, match=r"w.bin: says nothing of what stands between"):
        tt.load(tmp_path / "w.bin")
