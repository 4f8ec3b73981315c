import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.custom import Residual, Scale, squareplus
from tests.io.damage import damaged
from tests.models import sequentials


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("native")


def same(one, two):
    values, others = one.state_dict(), two.state_dict()
    return (
        repr(one) == repr(two)
        and values.keys() == others.keys()
        and all(values[k].tobytes() == others[k].tobytes() for k in values)
        and all((values[k].dtype, values[k].shape) == (others[k].dtype, others[k].shape) for k in values)
    )


@given(model=sequentials(), seed=st.integers(0, 9))
def test_saving_and_loading_gives_the_same_bits(folder, model, seed):
    path = folder / "model.safetensors"
    model.save(path)
    again = tt.load(path)
    assert same(again, model)
    x = tt.normal((3, 6), seed=seed)
    assert np.array_equal(again.predict(x), model.predict(x), equal_nan=True)


def test_names_layouts_and_dtypes_come_back(folder):
    w = np.arange(12.0).reshape(3, 4)
    model = tt.Sequential(
        ("première", tt.Linear.of(w.T.astype(np.float32), np.arange(8, dtype=np.float32)[::2])),
        ("zweite", tt.Linear.of(w)),
        tt.Rescale([np.nan, -np.inf, 0.0], -0.0),
    )
    model.save(folder / "names.safetensors")
    assert same(tt.load(folder / "names.safetensors"), model)


def test_custom_layers_come_back_through_custom_objects_only(folder):
    path = folder / "custom.safetensors"
    model = tt.Sequential(Residual(tt.Sequential(Scale([1.0, 2.0]))), squareplus(b=2.0))
    model.save(path)
    assert same(tt.load(path, custom_objects=[Residual, Scale, squareplus]), model)
    with pytest.raises(
        tt.ModelFormatError, match=r"custom\.safetensors: model Sequential\[0\]: the class 'Residual'"
    ):
        tt.load(path)


def test_the_library_reads_our_files(folder):
    model = tt.Sequential(tt.Linear(3, 2, seed=0))
    model.save(folder / "library.safetensors")
    theirs = safetensors.numpy.load_file(folder / "library.safetensors")
    assert all(np.array_equal(theirs[name], array) for name, array in model.state_dict().items())


def test_a_file_of_another_program_says_what_to_do(folder):
    path = folder / "foreign.safetensors"
    weights = {"0.weight": np.ones((2, 3)), "2.weight": np.ones((1, 2))}
    safetensors.numpy.save_file(weights, path)
    with pytest.raises(tt.ModelFormatError, match=r"foreign\.safetensors: holds weights only"):
        tt.load(path)


def test_a_config_that_json_does_not_hold(folder):
    class Odd(tt.Layer):
        def __init__(self, thing):
            self.thing = thing

        def forward(self, x):
            return x

    with pytest.raises(
        tt.ArgumentError, match=r"Odd\.thing: expected numbers, strings, lists and dicts: .*complex"
    ):
        tt.Sequential(Odd(1j)).save(folder / "odd.safetensors")
    assert not (folder / "odd.safetensors").exists()


def rewritten(path, **changes):
    """The file with other metadata; checksums are not computed anew."""
    with safetensors.safe_open(path, "np") as file:
        metadata = file.metadata() | {f"tinytensor.{key}": value for key, value in changes.items()}
    metadata = {key: value for key, value in metadata.items() if value is not None}
    changed = path.with_name("changed.safetensors")
    safetensors.numpy.save_file(safetensors.numpy.load_file(path), changed, metadata)
    return changed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "2"}, "expected version 1 of the format, got '2', written by tinytensor"),
        ({"format": None}, "metadata: expected tinytensor's four entries"),
        ({"more": ""}, "metadata: expected tinytensor's four entries"),
        ({"config": '{"class": "Sequential", "config": {"layers": []}}'}, "the configuration: damaged"),
        ({"config": "{"}, "no JSON"),
        (
            {"config": '{"\ud800": 1}'.encode("utf-16", "surrogatepass").decode("utf-16", "replace")},
            "damaged",
        ),
        ({"checksums": "{}"}, "expected a checksum of every tensor"),
        ({"checksums": "[]"}, "expected a checksum of every tensor"),
        (
            {"checksums": '{"": 1, "0.weight": null, "0.bias": "00000000"}'},
            "damaged: its checksum is another",
        ),
    ],
)
def test_metadata_that_is_wrong(folder, changes, message):
    path = folder / "metadata.safetensors"
    tt.Sequential(tt.Linear(3, 2, seed=0)).save(path)
    with pytest.raises(tt.ModelFormatError, match=message):
        tt.load(rewritten(path, **changes))


def test_a_tensor_that_is_damaged_is_named(folder):
    path = folder / "damaged.safetensors"
    tt.Sequential(tt.Linear(30, 20, seed=0), ("out", tt.Linear(20, 3, seed=1, bias=False))).save(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(tt.ModelFormatError, match=r"damaged\.safetensors: out\.weight: damaged"):
        tt.load(path)


def test_every_truncation_and_a_flipped_bit_in_every_byte(folder):
    path = folder / "small.safetensors"
    model = tt.Sequential(tt.Linear(2, 2, seed=0), tt.leaky_relu(negative_slope=0.25))
    model.save(path)
    unnoticed = 0
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        try:
            again = tt.load(path)
        except tt.ModelFormatError:
            continue
        assert same(again, model)
        unnoticed += 1
    # only the version of tinytensor that wrote the file says nothing about the model
    assert unnoticed <= len(tt.__version__)
