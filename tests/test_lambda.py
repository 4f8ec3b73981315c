import numpy as np
import pytest

import tinytensor as tt


def test_any_function_is_a_layer():
    assert tt.Lambda(np.flip)([1.0, 2.0]).tolist() == [2.0, 1.0]
    assert tt.Lambda(lambda x: x.sum(axis=1))([[1.0, 2.0]]).tolist() == [3.0]
    assert repr(tt.Lambda(np.flip)) == "Lambda(flip)"


def test_what_is_no_function():
    with pytest.raises(tt.DtypeError, match="Lambda: expected a function, got 3"):
        tt.Lambda(3)


def test_it_cannot_be_saved(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(tt.ArgumentError, match=r"Lambda\(flip\) holds a Python function, .* custom_objects="):
        tt.Sequential(tt.relu, tt.Lambda(np.flip)).save(path)
    assert not path.exists()
