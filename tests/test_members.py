"""What a layer may keep, by which names, and that saving loses none of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import same

VALUES = st.lists(st.floats(-2, 2, width=32), min_size=4, max_size=4)


class Tree(tt.Layer):
    """y = x plus the sum of every Tensor of four in a tree, after every layer in it."""

    def __init__(self, tree, note=None):
        self.tree = tree
        self.note = note

    def forward(self, x):
        return walk(self.tree, x)


class Extra(tt.Layer):
    """Parameters that are no arguments of the constructor, some in containers."""

    def __init__(self, n):
        self.n = n
        self.shift = tt.zeros(n)
        self.rest = {"a": [tt.ones(n), tt.ones(n)], "b": (tt.Linear.of(tt.eye(n)),)}

    def forward(self, x):
        return self.rest["b"][0](x * self.rest["a"][0] + self.rest["a"][1] + self.shift)


def walk(tree, x):
    """x through everything in a tree, in order."""
    if isinstance(tree, tt.Layer):
        return tree(x)
    if isinstance(tree, tt.Tensor):
        return x + tree
    if isinstance(tree, list | tuple | dict):
        for each in tree.values() if isinstance(tree, dict) else tree:
            x = walk(each, x)
    return x


def linears():
    return st.integers(0, 9).map(lambda seed: tt.Linear(4, 4, bias=bool(seed % 2), seed=seed))


leaves = st.one_of(
    VALUES.map(lambda v: tt.Tensor(v)), VALUES.map(lambda v: tt.Tensor(v, "float64")), linears(),
    st.sampled_from([tt.relu, tt.LeakyReLU(0.25), tt.LayerNorm(4), tt.BatchNorm(4), tt.Rescale(2.0, -0.0)]),
    VALUES.map(tt.Rescale), st.builds(Extra, st.just(4)), st.none(), st.integers(), st.text(max_size=3),
)  # fmt: skip
keys = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=4)


def containers(inner):
    """Lists and dicts of what there is, and layers around it."""
    some = st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3))
    chains = st.lists(linears(), max_size=2).map(lambda layers: tt.Sequential(*layers))
    return st.one_of(some, chains, some.map(Tree))


trees = st.recursive(leaves, containers, max_leaves=8)


@given(trees, st.booleans(), st.data())
def test_any_structure_is_saved_and_loads_back_equal(tmp_path_factory, tree, npz, data):
    model = tt.Sequential(("tree", Tree([tree], note="a note")), ("extra", Extra(4)))
    state = model.state_dict()
    changed = {name: np.asarray(array) + np.float32(0.5) for name, array in state.items()}
    if data.draw(st.booleans()):
        model.load_state_dict(changed)
        assert all(np.array_equal(array, changed[name]) for name, array in model.state_dict().items())
    path = tmp_path_factory.mktemp("tree") / ("m.npz" if npz else "m.safetensors")
    model.save(path)
    again = tt.load(path, custom_objects=[Tree, Extra])
    assert list(again.state_dict()) == list(model.state_dict())
    for name, array in model.state_dict().items():
        same(again.state_dict()[name], array)
    assert repr(again) == repr(model)
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    same(again(x), model(x))


def test_names_of_what_is_in_lists_and_dicts():
    layer = Tree({"first": [tt.ones(4), {"deep": tt.zeros(4)}], "last": (tt.Linear(4, 4), tt.relu)})
    assert list(layer.parameters()) == [
        "tree.first.0",
        "tree.first.1.deep",
        "tree.last.0.weight",
        "tree.last.0.bias",
    ]
    assert list(layer.children()) == ["tree.last.0", "tree.last.1"]
    layer.tree = [tt.Linear(4, 4, bias=False)]
    assert list(layer.parameters()) == ["tree.0.weight"]


def test_tensors_in_containers_are_frozen_copies():
    values = np.ones(4, np.float32)
    layer = Tree([tt.Tensor(values), {"a": (tt.Tensor(values),)}])
    values[:] = 7
    assert layer.tree[0].tolist() == layer.tree[1]["a"][0].tolist() == [1.0] * 4
    assert not layer.tree[0].numpy().flags.writeable


def test_a_list_without_tensors_stays_the_list_that_was_given():
    layers = [tt.relu]
    layer = Tree(layers)
    layers.append(tt.Linear(4, 4))
    assert list(layer.children()) == ["tree.0", "tree.1"]


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("_weight", tt.ones(3), tt.ArgumentError, r"Tree\._weight: a Tensor .* name it weight"),
        ("_inner", tt.relu, tt.ArgumentError, r"Tree\._inner: a ReLU under a name with _ .* name it inner"),
        ("_list", [tt.relu], tt.ArgumentError, r"Tree\._list"),
        ("w", np.ones(3), tt.DtypeError, r"Tree\.w: an array of float64 .* self\.w = tt\.Tensor\(w\)"),
        ("w", [np.ones(3, np.float32)], tt.DtypeError, r"Tree\.w: an array of float32"),
        ("inner", {tt.relu}, tt.DtypeError, r"Tree\.inner: layers in a set .* a list or a dict"),
        ("inner", frozenset({tt.relu}), tt.DtypeError, r"a list or a dict"),
        ("inner", {"a.b": tt.relu}, tt.ArgumentError, r"names without dots as keys, got 'a\.b'"),
        ("inner", {1: tt.ones(1)}, tt.ArgumentError, r"names without dots as keys, got 1"),
    ],
)  # fmt: skip
def test_what_save_would_lose_is_refused_with_the_fix(name, value, error, message):
    layer = Tree([])
    with pytest.raises(error, match=message):
        setattr(layer, name, value)
    assert not hasattr(layer, name)


def test_what_is_no_weight_is_kept_as_it_is():
    layer = Tree([])
    values = {
        "indices": np.arange(3),
        "names": {"a", "b"},
        "table": {1: 2},
        "_cache": {},
        "size": np.float64(2),
    }
    for name, value in values.items():
        setattr(layer, name, value)
        assert getattr(layer, name) is value


def test_a_layer_in_a_list_inside_itself():
    layer = Tree([])
    with pytest.raises(tt.ArgumentError, match="cannot contain itself"):
        layer.tree = [{"a": layer}]


# Outputs by every name


def test_outputs_take_every_name_of_a_layer():
    inner = tt.Sequential(tt.Linear(4, 4, seed=0), ("act", tt.relu))
    model = tt.Sequential(
        ("res", Tree({"inner": inner, "more": [tt.relu, tt.relu]})), tt.relu, tt.Rescale(2.0)
    )
    x = tt.normal((3, 4), seed=1)
    seen = model.outputs(x)
    assert set(seen) == {
        "res.tree.inner.0", "res.tree.inner.act", "res.tree.inner", "res.tree.more.0", "res.tree.more.1",
        "res", "1", "2",
    }  # fmt: skip
    same(seen["res.tree.inner.0"], inner[0](x))
    same(seen["res.tree.inner"], inner(x))
    same(model.outputs(x, "res.tree.inner.act", -1)[-1], model(x))
    for name in model.state_dict():
        assert name.rpartition(".")[0] in seen
    with pytest.raises(
        tt.ArgumentError, match=r"no layer is named 'res\.tree\.nothing'; there are res, res\.tree"
    ):
        model.outputs(x, "res.tree.nothing")


def test_a_layer_that_is_not_called_has_no_output():
    class Silent(tt.Layer):
        def __init__(self):
            self.inner = tt.Linear(4, 4)

        def forward(self, x):
            return self.inner.forward(x)

    model = tt.Sequential(Silent())
    with pytest.raises(
        tt.ArgumentError, match=r"0\.inner: the layer around it does not call it as self\.layer"
    ):
        model.outputs(np.ones((1, 4)), "0.inner")
    assert list(model.outputs(np.ones((1, 4)))) == ["0"]


def test_a_layer_of_several_names_has_one_output_for_each_call():
    class Thrice(tt.Layer):
        def __init__(self, double):
            self.first = self.second = double

        def forward(self, x):
            return self.second(self.second(self.first(x)))

    seen = tt.Sequential(Thrice(tt.Rescale(2.0))).outputs([[1.0]])
    assert {name: y.item() for name, y in seen.items()} == {"0.first": 2, "0.second": 8, "0": 8}


def test_outputs_of_a_graph_inside():
    layers = [tt.Linear(4, 4, seed=0), tt.Constant(np.ones(4, np.float32)), tt.Operator("Add")]
    graph = tt.Graph(["x"], ["y"], layers, [(["x"], ["h"]), ([], ["c"]), (["h", "c"], ["y"])])
    model = tt.Sequential(tt.relu, graph)
    x = tt.normal((3, 4), seed=1)
    seen = model.outputs(x)
    assert list(seen) == ["0", "1.layers.0", "1.layers.1", "1.layers.2", "1"]
    same(seen["1"], model(x))
    same(seen["1.layers.0"], layers[0](tt.relu(x)))


@pytest.mark.parametrize("key", [False, np.True_, None, [0], np.array([0])])
def test_outputs_of_what_is_no_layer_are_refused(key):
    with pytest.raises(tt.IndexingError, match="expected the name or the index of a layer"):
        tt.Sequential(tt.relu).outputs([[1.0]], key)
