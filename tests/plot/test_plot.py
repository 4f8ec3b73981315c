"""What the figures show, read from them; and the files that `tinytensor plot` writes."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import tinytensor as tt
from tinytensor import cli
from tinytensor.commands.plot import PICTURES
from tinytensor.inference.profile import Profile, ProfileRow

IMAGES, LABELS = tt.datasets.mnist("sample")


@pytest.mark.parametrize("f", ["relu", tt.gelu, tt.LeakyReLU(0.2), tt.SELU()], ids=repr)
def test_a_curve_is_the_function(f):
    line = tt.plot.activation(f, -2, 3).axes[0].lines[-1]
    x = line.get_xdata()
    function = tt.activations.get(f) if isinstance(f, str) else f
    assert (x[0], x[-1]) == (-2, 3)
    assert np.array_equal(line.get_ydata(), function(x).numpy())


def test_a_step_is_drawn_without_a_line_through_its_jump():
    y = tt.plot.activation("step").axes[0].lines[-1].get_ydata()
    assert np.isnan(y).sum() == 1


def test_softmax_is_drawn_of_two_numbers():
    axis = tt.plot.activation("softmax").axes[0]
    x, y = axis.lines[-1].get_data()
    bound = 8 * np.finfo(np.float32).eps  # an exponential, a sum and a quotient
    assert np.abs(y - 1 / (1 + np.exp(-x.astype(float)))).max() <= bound
    assert axis.get_title() == "softmax of (0, x)"


def test_every_activation_is_on_the_sheet():
    titles = [axis.get_title().removesuffix(" of (0, x)") for axis in tt.plot.activations().axes]
    assert sorted(titles) == sorted(tt.activations.names())


def test_a_matrix_has_white_at_zero():
    matrix = np.array([[1.0, -4.0], [0.0, 2.0]])
    image = tt.plot.weights(matrix).axes[0].images[0]
    assert np.array_equal(image.get_array(), matrix)
    assert image.get_clim() == (-4, 4)


def test_rows_as_images_filters_and_maps():
    figure = tt.plot.weights(np.arange(12.0).reshape(2, 6), shape=(2, 3))
    assert [axis.images[0].get_array().tolist() for axis in figure.axes] == [
        [[0, 1, 2], [3, 4, 5]],
        [[6, 7, 8], [9, 10, 11]],
    ]
    assert len(tt.plot.filters(np.zeros((4, 3, 2, 2))).axes) == 12
    assert len(tt.plot.feature_maps(np.full((5, 2, 2), np.nan)).axes) == 5


def test_digits_say_what_was_read_and_what_is_wrong():
    y = np.eye(10)[LABELS[:12]] * 0.75
    y[2] = np.roll(y[2], 1)
    axes = tt.plot.digits(IMAGES[:12], y, LABELS[:12]).axes
    assert [axis.get_title().split() for axis in axes[:2]] == [["0", "75%"], ["1", "75%"]]
    assert (axes[2].get_title()[0], axes[2].get_xlabel()) == ("3", "is 2")
    assert axes[2].title.get_color() != axes[1].title.get_color()
    assert tt.plot.digits(IMAGES[:2], labels=LABELS[:2]).axes[1].get_title() == "1"
    assert tt.plot.digits(IMAGES[:2]).axes[1].get_title() == ""


def test_a_confusion_matrix_counts():
    axis = tt.plot.confusion([0, 1, 1, 2], [0, 1, 0, 2]).axes[0]
    assert {(text.get_position(), text.get_text()) for text in axis.texts} == {
        ((0, 0), "1"), ((1, 1), "1"), ((0, 1), "1"), ((2, 2), "1")
    }  # fmt: skip
    assert axis.get_title() == "75.00% of 4 right"
    assert tt.plot.confusion([0, 1], [[0.9, 0.1], [0.2, 0.8]]).axes[0].get_title() == "100.00% of 2 right"


def test_a_network_names_layers_shapes_and_parameters():
    model = tt.Sequential(tt.Linear(6, 5), tt.relu, *(tt.Linear(5, 5) for _ in range(9)))
    texts = [text.get_text() for text in tt.plot.network(model).axes[0].texts]
    assert texts[:5] == ["Linear", "5", "35", "", "ReLU"]
    assert texts.count("Linear") == 10


def rows_and_columns(figure):
    return figure.axes[0].get_gridspec().get_geometry()


@pytest.mark.parametrize(
    ("count", "columns", "expected"),
    [
        (8, None, (2, 4)),
        (7, None, (2, 4)),
        (8, 3, (3, 3)),
        (8, 20, (1, 8)),
        (1, None, (1, 1)),
        (9, 1, (9, 1)),
    ],
)
def test_pictures_stand_in_rows(count, columns, expected):
    figure = tt.plot.feature_maps(np.zeros((count, 2, 2)), columns)
    assert rows_and_columns(figure) == expected
    assert [axis.get_title() for axis in figure.axes] == [str(i) for i in range(count)]
    assert figure.get_size_inches() == pytest.approx([0.9 * expected[1], 0.9 * expected[0]])
    assert len(figure.axes[0].get_xticks()) == len(figure.axes[0].get_yticks()) == 0


def test_a_filter_has_a_row_for_its_inputs():
    assert rows_and_columns(tt.plot.filters(np.zeros((4, 3, 2, 2)))) == (4, 3)
    assert rows_and_columns(tt.plot.filters(np.zeros((8, 1, 2, 2)))) == (2, 4)
    assert rows_and_columns(tt.plot.filters(np.zeros((4, 2, 2, 2)), columns=8)) == (1, 8)
    assert rows_and_columns(tt.plot.digits(IMAGES[:20])) == (2, 10)
    assert len(tt.plot.feature_maps(np.zeros((1024, 1, 1)), 32).axes) == 1024


def test_colours_of_numbers_that_are_not_finite_or_all_zero():
    assert tt.plot.feature_maps([[[np.inf, 3], [-2, np.nan]]]).axes[0].images[0].get_clim() == (-3, 3)
    assert tt.plot.feature_maps(np.zeros((1, 2, 2))).axes[0].images[0].get_clim() == (-1, 1)


def test_a_row_of_a_confusion_matrix_is_shares_of_its_class():
    axis = tt.plot.confusion([0, 0, 0, 1, 3], [0, 0, 1, 1, 1]).axes[0]
    shares = [[2 / 3, 1 / 3, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert np.array_equal(axis.images[0].get_array(), shares)
    assert {text.get_position(): text.get_color() for text in axis.texts} == {
        (0, 0): "white", (1, 0): "#1f2328", (1, 1): "white", (1, 3): "white"
    }  # fmt: skip
    assert [list(axis.get_xticks()), list(axis.get_yticks())] == 2 * [[0, 1, 2, 3]]
    assert axis.get_title() == "60.00% of 5 right"
    assert axis.figure.get_size_inches() == pytest.approx([1.5 + 4 / 2, 1.2 + 4 / 2])


def test_boxes_of_a_network_stand_in_rows_with_arrows_between_them():
    model = tt.Sequential(tt.Linear(6, 100), tt.relu, *(tt.Linear(n, 100) for n in (100, 100)))
    model += tt.Sequential(*(tt.Linear(100, 100) for _ in range(4)), tt.Linear(100, 3), tt.relu)
    axis = tt.plot.network(model).axes[0]
    boxes = axis.patches
    middles = [(box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2) for box in boxes]
    assert middles == [(pytest.approx(i % 8), pytest.approx(-2 * (i // 8))) for i in range(10)]
    assert [box.get_height() for box in boxes[:8]] == pytest.approx(8 * [1.1])
    assert boxes[8].get_height() == pytest.approx(0.25 + 0.85 * np.log(4) / np.log(101))
    assert boxes[0].get_facecolor() != boxes[1].get_facecolor()
    arrows = [(text.xyann[0], text.xy[0]) for text in axis.texts if text.get_text() == ""]
    assert arrows == [(pytest.approx(i + 0.32), pytest.approx(i + 0.68)) for i in (*range(7), 0)]
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    for text in axis.texts:
        x, y = text.get_position()
        assert left < x < right
        assert low < y < high


def test_a_profile_is_bars_of_microseconds():
    rows = ProfileRow("first", 2e-6, 0, 0), ProfileRow("second", 6e-6, 0, 0)
    axis = tt.plot.profile(Profile(rows, 1000)).axes[0]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([2, 6])
    assert [text.get_text() for text in axis.texts] == ["2.0 µs, 25%", "6.0 µs, 75%"]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["first", "second"]
    assert axis.get_title() == "1,000 samples, one thread"
    assert axis.yaxis_inverted()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tt.plot.activation("banana"), tt.ArgumentError),
        (lambda: tt.plot.activation("relu", 3, 3), tt.ArgumentError),
        (lambda: tt.plot.weights([1.0]), tt.ShapeError),
        (lambda: tt.plot.weights([["a"]]), tt.DtypeError),
        (lambda: tt.plot.weights(np.ones((2, 5)), shape=(2, 3)), tt.ShapeError),
        (lambda: tt.plot.weights(np.ones((2000, 4)), shape=(2, 2)), tt.ShapeError),
        (lambda: tt.plot.filters(np.ones((2, 5))), tt.ShapeError),
        (lambda: tt.plot.feature_maps(np.ones((0, 5, 5))), tt.ShapeError),
        (lambda: tt.plot.digits(IMAGES[:3], np.ones((2, 10))), tt.ShapeError),
        (lambda: tt.plot.digits(IMAGES[:3], labels=[1]), tt.ShapeError),
        (lambda: tt.plot.confusion([1], [1, 2]), tt.ShapeError),
        (lambda: tt.plot.confusion([-1], [1]), tt.ArgumentError),
        (lambda: tt.plot.confusion([0.5], [1]), tt.ArgumentError),
        (lambda: tt.plot.network(tt.Sequential()), tt.ArgumentError),
        (lambda: tt.plot.profile(Profile((), 1)), tt.ArgumentError),
        (lambda: tt.plot.activation("relu", 3, 2), tt.ArgumentError),
        (lambda: tt.plot.feature_maps(np.ones((1025, 1, 1))), tt.ShapeError),
        (lambda: tt.plot.feature_maps(np.ones((1, 1, 1), complex)), tt.DtypeError),
        (lambda: tt.plot.confusion([], []), tt.ShapeError),
        (lambda: tt.plot.confusion([1], [-1]), tt.ArgumentError),
    ],
)
def test_what_cannot_be_drawn(call, error):
    with pytest.raises(error):
        call()


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(tt.MissingExtra, match=r"tinytensor-nn\[viz\]"):
        tt.plot.activation("relu")


@pytest.mark.parametrize("what", PICTURES)
def test_the_command_draws(capsys, tmp_path, what):
    argument = {"activation": ["gelu"], "activations": []}.get(what, ["mnist_mlp"])
    path = tmp_path / "x.png"
    assert cli.main(["plot", what, *argument, "-o", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{what} → {path}: ")
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert cli.main(["plot", what, *argument, "-o", str(path)]) == 2
    assert "exists already; --force replaces it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["wieghts", "mnist_mlp", "-o", "x.png"], "did you mean weights?"),
        (["network", "-o", "x.png"], "network: expected an argument"),
        (["activations", "relu", "-o", "x.png"], "activations: expected no argument"),
        (["activation", "relu", "-o", "x.bmp"], "expected a name that ends in .png"),
        (["weights", "mnist_mlp", "--layer", "99", "-o", "x.png"], "expected --layer with one of"),
    ],
)
def test_mistakes_of_the_command(capsys, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plot", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
