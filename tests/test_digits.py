import numpy as np
import pytest

import tinytensor as tt
from tinytensor.digits import averages, centred, resized


@pytest.mark.parametrize(("old", "new"), [(1, 1), (5, 3), (3, 5), (28, 28), (280, 28), (7, 1)])
def test_a_mean_is_kept(old, new):
    rows = averages(old, new)
    assert np.allclose(rows.sum(axis=1), 1, rtol=0, atol=old * np.finfo(float).eps)
    assert resized(np.full((old, old), 77, np.uint8), (new, new)).tolist() == [[77] * new] * new


def test_enlarging_by_a_whole_number_repeats_pixels():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert np.array_equal(resized(image, (4, 9)), image.repeat(2, axis=0).repeat(3, axis=1))


def test_blank_paper_stays_blank():
    assert not centred(np.full((9, 5), 10, np.uint8)).any()


def test_digits_that_are_centred_are_still_read():
    images, labels = tt.datasets.mnist("sample")
    moved = np.zeros((1000, 60, 60), np.uint8)
    moved[:, 2:30, 25:53] = images
    again = np.stack([centred(each) for each in moved])
    model = tt.models.mnist_mlp()
    right = (model.predict(again).argmax(axis=1) == labels).sum()
    assert right >= 960  # 986 as they are; a digit whose box was not 20 pixels is scaled anew
