"""The whole of tinytensor in a minute's reading: one small network, from numbers to a file and back."""

import numpy as np

import tinytensor as tt


def test_a_network_end_to_end(tmp_path):
    model = tt.Sequential(
        tt.Linear(2, 3, weight=[[1, 3], [2, 4], [5, 6]], bias=[0, 0, -20]),
        tt.relu,
        tt.Linear(3, 2, weight=[[1, 0, 0], [0, 1, 0]]),
        tt.softmax,
    )
    x = np.array([[1, 2], [0, 0]])
    # Wx + b = (7, 10, -3), (0, 0, -20); ReLU leaves (7, 10, 0), (0, 0, 0); the second layer (7, 10), (0, 0)
    odds = np.exp(-3.0)
    expected = [[odds / (1 + odds), 1 / (1 + odds)], [0.5, 0.5]]

    assert np.allclose(model.predict(x), expected, rtol=4 * np.finfo(np.float32).eps, atol=0)
    assert model(x).argmax(axis=1).tolist() == [1, 0]

    model.save(tmp_path / "tiny.safetensors")
    again = tt.load(tmp_path / "tiny.safetensors")
    assert repr(again) == repr(model)
    assert np.array_equal(again.predict(x), model.predict(x))


def test_a_custom_layer_and_a_custom_activation():
    class Scale(tt.Layer):
        def __init__(self, factor):
            self.factor = tt.Tensor(factor)

        def forward(self, x):
            return x * self.factor

    @tt.activation
    def shifted(x, by=1.0):
        return x + by

    model = tt.Sequential(Scale([1.0, 10.0]), shifted(by=0.5))
    assert model([[2.0, 3.0]]).tolist() == [[2.5, 30.5]]
    assert list(model.state_dict()) == ["0.factor"]
