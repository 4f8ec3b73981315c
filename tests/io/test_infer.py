"""Which state dicts are a model's without doubt."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.io.infer import infer


def linear(out, in_, bias=True):
    return {"weight": np.ones((out, in_), np.float32)} | ({"bias": np.ones(out, np.float32)} if bias else {})


def state(**layers):
    return {f"{layer}.{name}": array for layer, group in layers.items() for name, array in group.items()}


@pytest.mark.parametrize("prefix", ["", "module.", "model.net."])
def test_consecutive_linear_layers(prefix):
    found = state(**{f"{prefix}0": linear(3, 2), f"{prefix}1": linear(4, 3, bias=False)})
    config, weights = infer(found)
    assert [each["config"]["out_features"] for each in config["config"]["layers"]] == [3, 4]
    assert weights.keys() == {"0.weight", "0.bias", "1.weight"}


def test_eleven_layers_are_in_the_order_of_their_numbers():
    config, _ = infer(state(**{str(i): linear(i + 2, i + 1) for i in reversed(range(11))}))
    assert [each["config"]["in_features"] for each in config["config"]["layers"]] == list(range(1, 12))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "no weights"),
        (
            state(**{"0": linear(3, 2), "2": linear(4, 3)}),
            r"tt.Linear\(2, 3\), activation, tt.Linear\(3, 4\)",
        ),
        (state(fc1=linear(3, 2)), "between"),
        (state(**{"0": linear(3, 2), "1": {"weight": np.ones(3)}}), r"'1': weight \(3,\)"),
        (state(**{"0": {"weight": np.ones((2, 2)), "bias": np.ones(3)}}), "may be of several"),
        (state(**{"0": {"weight": np.ones((2, 2), int)}}), "may be of several"),
        (state(**{"0": linear(2, 2) | {"running_mean": np.ones(2)}}), "may be of several"),
    ],
)
def test_doubt_is_an_error_that_says_how_to_go_on(found, said):
    with pytest.raises(tt.ModelFormatError, match=said):
        infer(found)
