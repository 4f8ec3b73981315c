"""Models with layers that Python runs: the shortest way gives what forward gives, and keeps its contract."""

import numpy as np
import pytest

import tinytensor as tt


class Reading(tt.Layer):
    """Not traceable: its forward reads values."""

    def forward(self, x):
        return x * 2.0 if float(x._array.max()) > 0 else x


KEPT = np.zeros((3, 4), np.float32)


class Keeping(tt.Layer):
    """Returns memory of its own."""

    def forward(self, x):
        KEPT[...] = np.asarray(x)
        return tt.Tensor._wrap(KEPT)


class Writing(tt.Layer):
    def forward(self, x):
        x._array[0, 0] = float(x._array.max())
        return x


def linear(seed):
    return tt.Linear(4, 4, seed=seed)


@pytest.mark.parametrize(
    "layers",
    [[linear(0), tt.relu, Reading(), linear(1)], [Reading()], [Reading(), Reading()], [Reading(), linear(0)],
     [linear(0), Reading()], [tt.Flatten(), Reading(), linear(0).astype("float64"), tt.tanh]],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_the_same_bits(layers, dtype):
    model = tt.Sequential(*layers)
    rng = np.random.default_rng(0)
    for _ in range(3):
        for count in (1, 3, 130):
            x = (rng.standard_normal((count, 4)) * 9).astype(dtype)
            before = x.copy()
            y = model.predict(x)
            assert y.tobytes() == model(x, fused=False).numpy().tobytes()
            assert np.array_equal(x, before)
            assert not np.may_share_memory(x, y)
            y[...] = 0  # it is the caller's
            assert x.flags.writeable


def test_the_short_way_is_taken():
    model, x = tt.Sequential(linear(0), Reading(), linear(1)), np.ones((1, 4), np.float32)
    model.predict(x)
    assert model._plan.short is not None
    assert model._plan.short(x, 1).tobytes() == model.predict(x).tobytes()
    assert model._plan.short(np.ones((1, 5), np.float32), 1) is None
    model[1] = tt.relu
    assert model.predict(x).tobytes() == model(x, fused=False).numpy().tobytes()


def test_memory_of_a_layer_stays_its_own():
    model, x = tt.Sequential(linear(0), Keeping(), Reading(), linear(1)), np.ones((3, 4), np.float32)
    first = model.predict(x)
    assert all(np.array_equal(model.predict(x), first) for _ in range(3))
    assert KEPT.flags.writeable


def test_writing_into_the_input_is_refused_each_time():
    model, x = tt.Sequential(linear(0), Writing()), np.ones((1, 4), np.float32)
    for _ in range(3):
        with pytest.raises(tt.ArgumentError, match="changes the array of its input"):
            model.predict(x)
