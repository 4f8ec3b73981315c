"""The chapter's perceptron: it learns nothing here; its weights are chosen by hand."""

import numpy as np
import pytest

import tinytensor as tt

CORNERS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])

# The weights of Saitō, sections 2.3 and 2.5.
AND = tt.Perceptron([0.5, 0.5], -0.7)
NAND = tt.Perceptron([-0.5, -0.5], 0.7)
OR = tt.Perceptron([0.5, 0.5], -0.2)


@pytest.mark.parametrize(
    ("gate", "expected"),
    [(AND, [0, 0, 0, 1]), (NAND, [1, 1, 1, 0]), (OR, [0, 1, 1, 1])],
    ids=["AND", "NAND", "OR"],
)
def test_a_perceptron_computes_a_linear_gate(gate, expected):
    assert gate(CORNERS).tolist() == expected
    assert [gate(corner).item() for corner in CORNERS] == expected


def test_xor_takes_two_layers():
    xor = tt.Sequential(tt.Perceptron([[-0.5, -0.5], [0.5, 0.5]], [0.7, -0.2]), AND)
    assert xor(CORNERS).tolist() == [0, 1, 1, 0]
    assert xor.outputs(CORNERS, 0)[0].tolist() == np.stack([NAND(CORNERS), OR(CORNERS)], axis=1).tolist()


def test_no_single_perceptron_on_a_grid_of_weights_computes_xor():
    grid = np.linspace(-1, 1, 21)
    weights = np.stack(np.meshgrid(grid, grid, grid), -1).reshape(-1, 3)
    answers = tt.Perceptron(weights[:, :2], weights[:, 2])(CORNERS).numpy()
    assert (answers == np.array([0, 1, 1, 1])[:, None]).all(axis=0).any()
    assert not (answers == np.array([0, 1, 1, 0])[:, None]).all(axis=0).any()


def test_the_boundary_belongs_to_0():
    assert tt.Perceptron([1.0], 0.0)([[0.0], [np.nextafter(np.float32(0), np.float32(1))]]).tolist() == [
        0.0,
        1.0,
    ]


@pytest.mark.parametrize(
    ("weights", "bias"),
    [(1.0, 1.0), ([1.0], [1.0]), ([[1.0]], 1.0), ([[1.0]], [1.0, 2.0]), (np.ones((1, 1, 1)), 1.0)],
)
def test_shapes_that_do_not_fit(weights, bias):
    with pytest.raises(tt.ShapeError, match="Perceptron: expected weights"):
        tt.Perceptron(weights, bias)


def test_an_input_that_does_not_fit():
    with pytest.raises(
        tt.ShapeError, match=r"Perceptron\(weights=\[0.5, 0.5\], bias=-0.7\): expected \(batch, 2\)"
    ):
        AND([1, 2, 3])
