"""Weights alone are no model; the error proposes one, and what it proposes is run here."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytensor as tt

CHOICES = (tt.relu, tt.tanh)


def linear(out, in_, bias=True):
    return {"weight": values(out, in_)} | ({"bias": values(out)} if bias else {})


def values(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def norm(features):
    return {name: values(features) + 3 for name in ("weight", "bias", "running_mean", "running_var")} | {
        "num_batches_tracked": np.int64(3)
    }


def state(**layers):
    return {f"{layer}.{name}": array for layer, group in layers.items() for name, array in group.items()}


def message(path, arrays):
    np.savez(path, **arrays)
    with pytest.raises(tt.ModelFormatError, match=r"holds weights only, not which activations") as caught:
        tt.load(path)
    return str(caught.value)


def followed(text, activation=tt.relu):
    """The networks that a message proposes, with the weights that its calls load, and the calls."""
    lines = [line.strip() for line in text.splitlines()]
    found = []
    names = {"tt": tt, "np": np, "activation": activation}
    for line in lines:
        if line.startswith(("model = ", "arrays = ")):
            exec(line, names)
        if line.startswith("tt.load_weights("):
            found.append((names["model"], eval(line, names), line))
    return found


@pytest.mark.parametrize(
    ("arrays", "proposed"),
    [
        (state(**{"0": linear(3, 2)}), "tt.Linear(2, 3)"),
        ({"weight": values(3, 2), "bias": values(3)}, "tt.Linear(2, 3)"),
        (state(**{"0": linear(3, 2), "2": linear(4, 3)}), "tt.Linear(2, 3), activation, tt.Linear(3, 4)"),
        # a ModuleList, whose forward may have put anything between
        (
            state(**{"net.0": linear(3, 2), "net.1": linear(4, 3, bias=False)}),
            "tt.Linear(2, 3), activation, tt.Linear(3, 4, bias=False)",
        ),
        # an nn.Sequential states that nothing stood between 1 and 2
        (
            state(**{"1": linear(3, 2), "2": norm(3), "5": linear(4, 3)}),
            "tt.Linear(2, 3), tt.BatchNorm(*tt.ones((4, 3))), activation, tt.Linear(3, 4)",
        ),
        (state(**{"module.fc10": linear(2, 3), "module.fc9": linear(3, 4)}),
         "tt.Linear(4, 3), activation, tt.Linear(3, 2)"),
        # alphabetical order, which is not that of the layers
        (
            state(i=linear(5, 7), h=linear(4, 5), o=linear(2, 4)),
            "tt.Linear(7, 5), activation, tt.Linear(5, 4), activation, tt.Linear(4, 2)",
        ),
        (
            state(bn1=norm(5), bn2=norm(4), fc1=linear(5, 7), fc2=linear(4, 5), fc3=linear(2, 4)),
            "tt.Linear(7, 5), tt.BatchNorm(*tt.ones((4, 5))), activation, tt.Linear(5, 4), "
            "tt.BatchNorm(*tt.ones((4, 4))), activation, tt.Linear(4, 2)",
        ),
        (
            state(norm={"weight": values(7), "bias": values(7)}, out=linear(2, 7)),
            "tt.LayerNorm(tt.ones(7), tt.ones(7)), activation, tt.Linear(7, 2)",
        ),
        # in, out
        ({"W1": values(7, 5), "b1": values(5), "W2": values(5, 2), "b2": values(2)},
         "tt.Linear(7, 5), activation, tt.Linear(5, 2)"),
        # out, in, with columns as biases
        ({"W1": values(5, 7), "b1": values(5, 1), "W2": values(2, 5), "b2": values(2, 1)},
         "tt.Linear(7, 5), activation, tt.Linear(5, 2)"),
        ({"W1": values(7, 5), "W2": values(5, 2)},
         "tt.Linear(7, 5, bias=False), activation, tt.Linear(5, 2, bias=False)"),
        (
            {"params.Dense_0.kernel": values(6, 5), "params.Dense_0.bias": values(5),
             "params.Dense_1.kernel": values(5, 2), "params.Dense_1.bias": values(2)},
            "tt.Linear(6, 5), activation, tt.Linear(5, 2)",
        ),
        # the names leave the order open, so the call names every array
        (state(query=linear(3, 3), key=linear(3, 3)), "tt.Linear(3, 3), activation, tt.Linear(3, 3)"),
        ({"W1": values(3, 3), "b1": values(3)}, "tt.Linear(3, 3)"),
    ],
)  # fmt: skip
def test_what_is_proposed_takes_the_file(tmp_path, arrays, proposed):
    text = message(tmp_path / "w.npz", arrays)
    assert f"model = tt.Sequential({proposed})" in text
    wanted = {name: array for name, array in arrays.items() if not name.endswith("num_batches_tracked")}
    for name, array in wanted.items():
        assert f"{name} {array.shape} float32" in text
    model, skipped, _ = followed(text)[0]
    assert skipped == ([], [])
    ours = sorted(np.sort(array, axis=None).tobytes() for array in model.state_dict().values())
    assert ours == sorted(np.sort(array, axis=None).tobytes() for array in wanted.values())


def test_gaps_in_the_numbers_of_a_sequential_are_said(tmp_path):
    text = message(
        tmp_path / "w.npz", state(**{"net.1": linear(3, 2), "net.4": linear(4, 3), "net.5": linear(2, 4)})
    )
    assert "The numbers in the names leave out 0, 2, 3: layers without weights stood there." in text
    assert "tt.Sequential(tt.Linear(2, 3), activation, tt.Linear(3, 4), tt.Linear(4, 2))" in text
    assert "An activation after the last layer leaves no trace in a file" in text
    assert "leave out" not in message(tmp_path / "w.npz", state(**{"1": linear(3, 2), "2": linear(4, 3)}))


def test_several_networks_in_a_file(tmp_path):
    actor = state(**{"actor.0": linear(5, 3), "actor.2": linear(2, 5)})
    critic = state(**{"critic.0": linear(5, 3), "critic.2": linear(1, 5)})
    text = message(tmp_path / "w.npz", actor | critic | {"std": values(2)})
    assert [line for *_, line in followed(text)] == [f"tt.load_weights(model, '{tmp_path}/w.npz')"] * 2
    target = {f"target.{name}": array + 1 for name, array in actor.items()}
    text = message(tmp_path / "w.npz", actor | target)
    found = followed(text)
    assert [re.search(r"prefix='(.*)'", line)[1] for *_, line in found] == ["actor", "target"]
    assert np.array_equal(found[1][0][0].weight, target["target.actor.0.weight"])


@pytest.mark.parametrize(
    "arrays",
    [
        state(conv={"weight": values(8, 3, 3, 3), "bias": values(8)}),
        state(a=linear(3, 2), b=linear(5, 4)),
        state(**{"0": {"weight": values(2, 2), "bias": values(3)}}),
        state(**{"0": {"weight": np.ones((2, 2), int)}}),
        state(**{"0": {"weight": values(0, 2)}}),
        state(**{"0": linear(2, 2) | {"running_mean": values(2)}}),
        {"x": values(2)},
        state(norm={"weight": values(7), "bias": values(7)}),
    ],
)  # fmt: skip
def test_where_there_is_no_chain_the_arrays_are_listed(tmp_path, arrays):
    text = message(tmp_path / "w.npz", arrays)
    assert "No chain of tinytensor's layers has these shapes" in text or "Sequential(tt" in text
    assert all(name in text for name in arrays)
    for _ in followed(text):
        pass


def test_long_lists_are_cut_and_many_layers_take_little_time(tmp_path):
    text = message(tmp_path / "w.npz", state(**{f"a{i}": linear(2, 2) for i in range(100)}))
    assert "and 170 more" in text
    assert text.count("tt.Linear") == 100
    many = {f"{'xyz'[i % 3]}{i}.weight": values(2 + i % 2, 2) for i in range(300)}
    assert len(message(tmp_path / "w.npz", many)) < 5_000


def test_four_networks_are_proposed_at_most(tmp_path):
    parts = {name: linear(2 * i + 3, 2 * i + 2) for i, name in enumerate(("a", "b", "c", "d", "e"))}
    text = message(tmp_path / "w.npz", state(**{f"{name}.0": each for name, each in parts.items()}))
    assert text.count("model = tt.Sequential(") == 4


def test_nothing_at_all(tmp_path):
    np.savez(tmp_path / "w.npz")
    with pytest.raises(tt.ModelFormatError, match=r"holds no arrays|no model"):
        tt.load(tmp_path / "w.npz")


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    names=st.sampled_from(["fc{}.{}", "net.{}.{}", "module.net.{}.{}", "{1}{0}", "layer_{}/{}"]),
    words=st.sampled_from([("weight", "bias"), ("kernel", "bias"), ("W", "b")]),
    bias=st.sampled_from([None, (-1,), (1, -1), (-1, 1)]),
    shuffled=st.randoms(use_true_random=False),
    choice=st.sampled_from(CHOICES),
)
def test_every_kind_of_names(tmp_path_factory, sizes, names, words, bias, shuffled, choice):
    """What is proposed computes what the file's own network does."""
    rng = np.random.default_rng(0)
    layers, arrays = [], {}
    in_first = words[0] == "kernel" or (words[0] == "W" and shuffled.random() < 0.5)
    for i, (n, m) in enumerate(itertools.pairwise(sizes)):
        weight = rng.standard_normal((m, n)).astype(np.float32)
        vector = rng.standard_normal(m).astype(np.float32)
        layers.append((weight, vector if bias else None))
        arrays[names.format(i + 1, words[0])] = weight.T if in_first else weight
        if bias:
            arrays[names.format(i + 1, words[1])] = vector.reshape(bias)
    says_layout = words[0] == "kernel" or (words[0] == "weight" and names != "{1}{0}")
    items = list(arrays.items())
    shuffled.shuffle(items)
    path = tmp_path_factory.mktemp("propose") / "w.npz"
    for model, skipped, line in followed(message(path, dict(items)), choice):
        assert skipped == ([], [])
        if "arrays[" in line or (not says_layout and not bias):  # it is open, and the message says so
            continue
        y = np.ones((3, sizes[0]), np.float32)
        wanted = tt.Sequential(
            [each for weight, vector in layers for each in (tt.Linear.of(weight, vector), choice)][:-1]
        )
        if list(model.state_dict()) == list(wanted.state_dict()):
            assert np.array_equal(model(y), wanted(y))
