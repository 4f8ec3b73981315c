import base64
import io
import re

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.notebook import MOST_IMAGES, png

IMAGES, _ = tt.datasets.mnist("sample")


def pictures(html):
    return [base64.b64decode(each) for each in re.findall(r'src="data:image/png;base64,([^"]+)"', html)]


@pytest.mark.parametrize("data", [[1.5, 2.0], [[1, 2], [3, 4]], [[True, False]]], ids=str)
def test_small_ones_are_tables(data):
    html = tt.Tensor(data)._repr_html_()
    cells = re.findall(r"<td[^>]*>([^<]+)</td>", html)
    assert cells == [
        str(x) if isinstance(x, bool) else f"{x:.6g}" for row in np.atleast_2d(data).tolist() for x in row
    ]
    assert f"shape {tt.Tensor(data).shape}" in html


@pytest.mark.parametrize(
    "t", [tt.Tensor(1.0), tt.zeros((0, 3)), tt.zeros((2, 2, 2)), tt.zeros(1000)], ids=lambda t: str(t.shape)
)
def test_others_are_text(t):
    html = t._repr_html_()
    assert "<pre>" in html
    assert len(html) < 5000


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.uint8, 1), (np.float32, 1), (np.float32, 1 / 255), (np.float64, 1 / 255)]
)
def test_digits_are_pictures(dtype, scale):
    image = pytest.importorskip("PIL.Image")
    x = (IMAGES[:3] * scale).astype(dtype)
    found = pictures(tt.Tensor(x)._repr_html_())
    assert [np.array_equal(np.asarray(image.open(io.BytesIO(each))), 255 - ink)
            for each, ink in zip(found, IMAGES, strict=False)] == 3 * [True]  # fmt: skip


def test_how_many_pictures():
    assert len(pictures(tt.Tensor(IMAGES[0])._repr_html_())) == 1
    assert len(pictures(tt.Tensor(IMAGES[:2, None])._repr_html_())) == 2
    html = tt.Tensor(IMAGES[:100])._repr_html_()
    assert len(pictures(html)) == MOST_IMAGES
    assert "80 more" in html


@pytest.mark.parametrize("value", [-1.0, 256.0, np.nan, np.inf])
def test_what_is_no_image(value):
    assert pictures(tt.full((28, 28), value)._repr_html_()) == []


def test_the_png_is_one_for_others_too():
    image = pytest.importorskip("PIL.Image")
    grey = np.arange(15, dtype=np.uint8).reshape(3, 5)
    with image.open(io.BytesIO(png(grey))) as opened:
        opened.verify()
    assert np.array_equal(np.asarray(image.open(io.BytesIO(png(grey)))), grey)


MODEL = tt.Sequential(("<b>&\x1b", tt.Linear(2, 3, seed=0)), tt.relu)


def rows_of(html):
    return [re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]


@pytest.mark.parametrize(
    "shown",
    [
        MODEL,
        MODEL.summary(),
        MODEL.profile(np.ones((4, 2)), seconds=0),
        MODEL.explain(np.ones(2)),
        tt.verify(MODEL, MODEL.forward, np.ones((3, 2))),
    ],
    ids=lambda each: type(each).__name__,
)
def test_reports_are_tables_whose_text_is_escaped(shown):
    html = shown._repr_html_()
    header, *rows = rows_of(html)
    assert rows
    assert {len(row) for row in rows} == {len(header)}
    assert "\x1b" not in html
    assert "<b>" not in html
    if not hasattr(shown, "verdict"):  # which names values, not layers, of a function
        assert "&lt;b&gt;&amp;\\x1b" in html


def test_a_summary_says_what_its_text_says():
    assert rows_of(MODEL.summary()._repr_html_())[1][2:] == ["(batch, 3)", "yes", "6", "9", "36"]
    html = tt.Sequential(tt.relu, tt.Linear(3, 2)).summary((4, 4, 3))._repr_html_()
    assert len(rows_of(html)) == 4
    assert "summary(shape)" in tt.Sequential(tt.relu).summary()._repr_html_()


def test_a_model_of_unknown_shapes_is_text():
    assert tt.Sequential(tt.relu)._repr_html_() == "<pre>Sequential(\n    ReLU(),\n)</pre>"
    assert tt.Sequential(("<i>", tt.relu))._repr_html_().count("&lt;i&gt;") == 1
