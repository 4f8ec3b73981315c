"""Weights of other programs' files into a model that is there."""

import itertools
import pickle

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


def network():
    return tt.Sequential(tt.Linear(7, 9), tt.relu, tt.Linear(9, 4))


def from_scratch(names=("W1", "b1", "W2", "b2"), turned=False, bias=(-1,)):
    values = [draw(7, 9), draw(9), draw(9, 4), draw(4)]
    arrays = dict(zip(names, values, strict=True))
    laid = [each.T if turned else each.reshape(bias) if each.ndim == 1 else each for each in values]
    return arrays, dict(zip(names, laid, strict=True))


@pytest.mark.parametrize("bias", [(-1,), (1, -1), (-1, 1)])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    "names",
    [("W1", "b1", "W2", "b2"), ("w1", "b1", "w2", "b2"), ("W_1", "b_1", "W_2", "b_2"),
     ("W0", "b0", "W1", "b1"),
     ("weights1", "bias1", "weights2", "bias2"), ("hidden_W", "hidden_b", "out_W", "out_b"),
     ("weights.0", "biases.0", "weights.1", "biases.1"), ("net.W1", "net.b1", "net.W2", "net.b2")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["npz", "pickle", "dict"])
def test_names_of_nets_from_scratch(tmp_path, names, turned, bias, kind):
    arrays, laid = from_scratch(names, turned, bias)
    source = laid if kind == "dict" else tmp_path / "w"
    if kind == "npz":
        np.savez(tmp_path / "w.npz", **laid)
        source = tmp_path / "w.npz"
    elif kind == "pickle":
        source.write_bytes(pickle.dumps(laid))
    model = network()
    assert tt.load_weights(model, source) == ([], [])
    for layer, weight, vector in ((0, *names[:2]), (2, *names[2:])):
        assert np.array_equal(model[layer].weight, arrays[weight].T)
        assert np.array_equal(model[layer].bias, arrays[vector])


def test_a_weight_called_weight_is_never_transposed(tmp_path):
    arrays, _ = from_scratch(("0.weight", "0.bias", "2.weight", "2.bias"))
    with pytest.raises(
        tt.ArgumentError, match=r"0\.weight: expected shape \(9, 7\), got \(7, 9\); did you mean its \.T"
    ):
        tt.load_weights(network(), arrays)


@pytest.mark.parametrize(
    "names", ["params.Dense_{}.{}", "params/Dense_{}/{}", "dense_{}/{}:0", "model.layers.{}.{}"]
)
def test_a_kernel_is_transposed(names):
    arrays, _ = from_scratch()
    theirs = dict(
        zip([names.format(i, p) for i in range(2) for p in ("kernel", "bias")], arrays.values(), strict=True)
    )
    model = network()
    assert tt.load_weights(model, theirs) == ([], [])
    assert np.array_equal(model[2].weight, arrays["W2"].T)
    square = {"Dense_0.kernel": draw(3, 3)}
    model = tt.Sequential(tt.Linear(3, 3, bias=False))
    tt.load_weights(model, square)
    assert np.array_equal(model[0].weight, square["Dense_0.kernel"].T)


def test_square_weights_whose_names_do_not_say_are_refused_and_the_advice_works():
    arrays = {"W1": draw(3, 3), "b1": draw(3)}
    model = tt.Sequential(tt.Linear(3, 3))
    with pytest.raises(tt.ArgumentError, match=r'tt\.load_weights\(model, \{"0\.weight": array\.T, …\}\)'):
        tt.load_weights(model, arrays)
    tt.load_weights(model, {"0.weight": arrays["W1"].T, "0.bias": arrays["b1"]})
    assert np.array_equal(model[0].weight, arrays["W1"].T)
    # one layer that is not square decides for the file
    arrays |= {"W2": draw(3, 2), "b2": draw(2)}
    model = tt.Sequential(tt.Linear(3, 3), tt.relu, tt.Linear(3, 2))
    tt.load_weights(model, arrays)
    assert np.array_equal(model[0].weight, arrays["W1"].T)


def test_a_symmetric_weight_is_in_no_doubt():
    model = tt.Sequential(tt.Linear(3, 3, bias=False))
    tt.load_weights(model, {"W1": np.eye(3, dtype=np.float32)})
    assert np.array_equal(model[0].weight, np.eye(3))


def test_names_of_ours_are_those_of_the_models_layers_in_their_order():
    layers = [("z", tt.Linear(3, 3)), ("a", tt.Linear(3, 3))]
    found = arrays(["fc1", "fc2"], 3, 3, 3)
    model = tt.Sequential(*layers)
    tt.load_weights(model, found)
    assert np.array_equal(model["z"].weight, found["fc1.weight"])


def checkpoint():
    net = arrays(["0", "2"], 3, 4, 2)
    momenta = {0: {"exp_avg": draw(4, 3), "step": np.float32(7)}}
    return net, {"net": net, "optimizer": {"state": momenta, "param_groups": [{"lr": 0.1}]}, "epoch": 3}


def test_a_checkpoints_only_network_is_found():
    net, whole = checkpoint()
    ours = model(3, 4, 2)
    assert tt.load_weights(ours, whole) == ([], ["optimizer.state.0.exp_avg"])
    assert np.array_equal(ours[2].weight, net["2.weight"])


def test_two_networks_of_one_shape_need_a_key():
    net, whole = checkpoint()
    whole["ema"] = {name: array + 1 for name, array in net.items()}
    ours = model(3, 4, 2)
    with pytest.raises(tt.ArgumentError, match=r"choose one: prefix='net\.' or prefix='ema\.'"):
        tt.load_weights(ours, whole)
    for options in ({"key": "ema"}, {"prefix": "ema"}, {"prefix": "ema."}):
        skipped = tt.load_weights(ours, whole, **options)
        assert "net.0.weight" in skipped.unexpected
        assert np.array_equal(ours[0].weight, whole["ema"]["0.weight"])
    whole["ema"] = dict(net)  # equal values leave no choice
    tt.load_weights(ours, whole)
    assert np.array_equal(ours[0].weight, net["0.weight"])
    with pytest.raises(tt.ArgumentError, match=r"no array under 'policy'; there are net\.0\.weight \(4, 3\)"):
        tt.load_weights(ours, whole, key="policy")


def test_key_and_prefix_together():
    net = arrays(["actor.0", "actor.2", "critic.0", "critic.2"], 3, 4, 2, 4, 2)
    ours = tt.Sequential(tt.Linear(2, 4), tt.relu, tt.Linear(4, 2))
    tt.load_weights(ours, {"model_state_dict": net, "iter": 5}, key="model_state_dict", prefix="critic")
    assert np.array_equal(ours[0].weight, net["critic.0.weight"])


def test_one_layer_of_a_network_is_not_taken_for_all_of_it():
    found = arrays(["fc1", "fc2"], 3, 4, 2)
    ours = tt.Sequential(tt.Linear(4, 2))
    with pytest.raises(tt.ArgumentError, match=r"unexpected: fc1\.weight"):
        tt.load_weights(ours, found)
    tt.load_weights(ours, found, prefix="fc2")
    assert np.array_equal(ours[0].weight, found["fc2.weight"])


def test_an_array_that_is_stored_twice():
    found = arrays(["fc1", "fc2"], 3, 4, 2)
    copy = {name.replace("fc2", "head"): array.copy() for name, array in found.items() if "fc2" in name}
    ours = model(3, 4, 2)
    assert tt.load_weights(ours, found | copy) == ([], [])
    assert np.array_equal(ours[2].weight, found["fc2.weight"])
    copy["head.bias"] = copy["head.bias"] + 1
    with pytest.raises(tt.ArgumentError, match=r"unexpected: head\.bias"):
        tt.load_weights(ours, found | copy)


def test_a_bit_less_is_another_array():
    found = {"a.weight": np.zeros((2, 2), np.float32), "b.weight": -np.zeros((2, 2), np.float32)}
    with pytest.raises(tt.ArgumentError, match="unexpected"):
        tt.load_weights(tt.Sequential(tt.Linear(2, 2, bias=False)), found)


def test_counters_are_no_parameters():
    bn = {name: draw(4) for name in ("weight", "bias", "running_mean", "running_var")}
    found = arrays(["0"], 3, 4) | {f"1.{name}": array for name, array in bn.items()}
    found["1.num_batches_tracked"] = np.array(7)
    ours = tt.Sequential(tt.Linear(3, 4), tt.BatchNorm(*tt.ones((4, 4))))
    assert tt.load_weights(ours, found) == ([], [])
    assert np.array_equal(ours[1].running_var, bn["running_var"])
    keras = {"dense/kernel:0": found["0.weight"].T, "dense/bias:0": found["0.bias"]}
    words = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    keras |= {f"batch_normalization/{words[name]}:0": array for name, array in bn.items()}
    ours = tt.Sequential(tt.Linear(3, 4), tt.BatchNorm(*tt.ones((4, 4))))
    assert tt.load_weights(ours, keras) == ([], [])
    assert np.array_equal(ours[1].running_mean, bn["running_mean"])


def test_what_is_no_source():
    for source in (3, None, [np.ones(2)]):
        with pytest.raises(tt.DtypeError, match="expected a path or a dict of arrays"):
            tt.load_weights(model(3, 2), source)
    with pytest.raises(tt.DtypeError, match="got Sequential; the model comes first"):
        tt.load_weights("weights.npz", model(3, 2))
    with pytest.raises(tt.ArgumentError, match="it holds no arrays"):
        tt.load_weights(model(3, 2), {"epoch": 3})
    with pytest.raises(tt.ModelFormatError, match=r"two arrays have the name 'a\.b'"):
        tt.load_weights(model(3, 2), {"a.b": np.ones(2), "a": {"b": np.ones(2)}})


def test_names_reach_no_terminal_as_they_are(tmp_path):
    np.savez(tmp_path / "w.npz", **{"a\x1b[31m.weight": np.ones((2, 3), np.float32)})
    for call in (tt.load, lambda path: tt.load_weights(model(3, 4), path)):
        with pytest.raises(tt.TinyTensorError, match=r"a\\x1b\[31m\.weight") as caught:
            call(tmp_path / "w.npz")
        assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["." * 10_000 + "w", "a." * 10_000 + "w", "/" * 5_000, "..", "W" * 5_000, "1" * 4_000]
)
def test_odd_names_cost_little(name):
    with pytest.raises(tt.TinyTensorError):
        tt.load_weights(model(3, 4), {name: draw(4, 3)})
