"""The driver: instructions on buffers of rows, block by block, written by hand here."""

import numpy as np
import pytest

from tests import naive
from tests.strategies import FLOATS
from tinytensor.kernels import arithmetic, record, reduce
from tinytensor.kernels.convolution import convolution_instruction, convolve
from tinytensor.kernels.declared import (
    copy_rows,
    linear,
    map_rows,
    pair_rows,
    reduce_rows,
    run_program,
    softmax_rows,
    standardize_rows,
    widen_rows,
)
from tinytensor.kernels.elementwise import loop_address, pair_address
from tinytensor.kernels.layer import aligned, layout, pack_weights, write_layer
from tinytensor.kernels.matmul import matmul
from tinytensor.kernels.pooling import pool, pool_instruction
from tinytensor.kernels.program_table import program_table
from tinytensor.kernels.reduce import row_fold, standardize
from tinytensor.kernels.softmax import softmax
from tinytensor.kernels.windows import Image, WindowSpec, axes_of

WORK = 1 << 16  # bytes of scratch memory for instructions
EXTRA = 16  # numbers between rows of a buffer


def relu(x):
    return 0.0 if x < 0 else x


class Program:
    """A program as `record` describes it; `buffers` are the features of buffers from number 2 on."""

    def __init__(self, dtype, rows, buffers):
        self.dtype, self.rows, self.buffers = np.dtype(dtype), rows, buffers
        self.instructions, self.kept = [], []

    def emit(self, kernel, source, target, features, **fields):
        row = np.zeros(record.INSTRUCTION, np.int64)
        row[[record.FUNCTION, record.SOURCE, record.TARGET]] = kernel.address, source, target
        row[[record.FEATURES, record.SIZE]] = features, self.dtype.itemsize
        row[[record.REPEAT, record.OTHER_REPEAT]] = 1
        for name, value in fields.items():
            row[getattr(record, name)] = self.at(value) if isinstance(value, np.ndarray) else value
        self.instructions.append(row)
        return row

    def at(self, array):
        self.kept.append(array)
        return array.ctypes.data

    def linear(self, source, target, weight, bias, lists=False):
        outputs, inputs = weight.shape
        plan = layout(self.dtype, outputs)
        product = self.emit(linear, source, target, inputs)[record.PRODUCT_AT :]
        write_layer(product, plan, inputs, self.dtype.name, lists)
        pages, tails = pack_weights(weight, plan)
        product[[record.WEIGHTS, record.TAIL, record.BIAS]] = [self.at(each) for each in (pages, tails, bias)]

    def run(self, x, outputs, dtype=None, ticks=None):
        size = self.dtype.itemsize
        buffers, offset = [(0, 0, 0), (0, 0, 0)], record.WORK_OFFSET + WORK
        for features in self.buffers:
            stride = (features + EXTRA) * size
            buffers.append((offset, stride, 0))
            offset += (self.rows + 17) * stride + 64  # softmax reads whole squares
        phases = [(0, len(self.instructions), self.rows)]
        table = program_table(self.rows, buffers, phases, self.instructions)
        table[record.TICKS] = 0 if ticks is None else ticks.ctypes.data
        scratch = aligned((offset,), np.uint8)
        y = np.full((len(x) + 2, outputs), 77, self.dtype)
        run_program(table.ctypes.data, x, x.strides[0], y[1:], y.strides[0], 0, len(x), scratch)
        assert (y[0] == 77).all()
        assert (y[-1] == 77).all()
        return y[1:-1]


def numbers(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rows", [1, 5, 24, 100])
def test_a_residual_block(dtype, rows):
    rng = np.random.default_rng(0)
    x, weight, bias = numbers(rng, dtype, 50, 37), numbers(rng, dtype, 37, 37), numbers(rng, dtype, 37)
    program = Program(dtype, rows, [37])
    program.linear(0, 2, weight, bias)
    program.emit(map_rows, 2, 2, 37, LOOP=loop_address(relu, np.dtype(dtype)))
    program.emit(pair_rows, 2, 1, 37, OTHER=0, LOOP=pair_address(arithmetic.add, np.dtype(dtype)))
    h = matmul(x, weight.T, bias)
    naive.same(program.run(x, 37), np.where(h < 0, 0, h).astype(dtype) + x)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "negative_scaled"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_pair_with_a_constant(name, dtype):
    rng = np.random.default_rng(1)
    x, constant = numbers(rng, dtype, 30, 21), numbers(rng, dtype, 21)
    function = getattr(arithmetic, name)
    program = Program(dtype, 7, [])
    program.emit(pair_rows, 0, 1, 21, CONSTANT=constant, LOOP=pair_address(function, np.dtype(dtype)))
    expected = [[function(a, b) for a, b in zip(row, constant, strict=True)] for row in x]
    naive.same(program.run(x, 21), np.array(expected, dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_slices_and_a_concatenation(dtype):
    x = numbers(np.random.default_rng(2), dtype, 9, 20)
    program = Program(dtype, 4, [])
    program.emit(copy_rows, 0, 1, 5, FROM=3, TO=7)
    program.emit(copy_rows, 0, 1, 7, FROM=13, TO=0)
    naive.same(program.run(x, 12), np.concatenate([x[:, 13:], x[:, 3:8]], axis=1))


@pytest.mark.parametrize("classes", [1, 2, 10, 16, 17, 64, 65, 200])
@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_has_the_bits_of_the_eager_one(classes, dtype):
    for count in (1, 7, 8, 33, 130):
        x = numbers(np.random.default_rng(count), dtype, count, classes) * dtype(10)
        program = Program(dtype, 120, [classes])
        program.emit(copy_rows, 0, 2, classes)
        program.emit(softmax_rows[np.dtype(dtype)], 2, 1, classes)
        naive.same(program.run(x, classes), softmax(x))


REDUCED = [1, 2, 7, 16, 17, 100, 255, 256, 300]  # features: chains of additions, and interleaved sums
BLOCKS = [
    1,
    2,
    8,
    16,
    17,
    40,
]  # rows: one by one, parts of a vector, vectors, one that begins before its turn


@pytest.mark.parametrize("features", REDUCED)
@pytest.mark.parametrize("rows", BLOCKS)
@pytest.mark.parametrize("in_place", [False, True])
def test_standardized_rows_have_the_bits_of_the_eager_ones(features, rows, in_place):
    x = numbers(np.random.default_rng(3), np.float32, 45, features) * np.float32(100) + np.float32(1e4)
    x[3] = 1e30
    program = Program(np.float32, rows, [])
    if in_place:
        program.emit(copy_rows, 0, 1, features)
    program.emit(standardize_rows, 1 if in_place else 0, 1, features, CONSTANT=np.array([1e-5]))
    naive.same(program.run(x, features), standardize(x, 1, 1e-5)[0])


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "min", "max"])
@pytest.mark.parametrize("features", REDUCED)
@pytest.mark.parametrize("rows", BLOCKS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_reduced_rows_have_the_bits_of_the_eager_ones(name, features, rows, dtype):
    x = numbers(np.random.default_rng(4), dtype, 45, features)
    x[5, -1], x[6, 0], x[7] = np.nan, -np.inf, 0.0
    x[7, ::2] = -0.0
    program = Program(dtype, rows, [])
    program.emit(copy_rows, 0, 1, features)
    program.emit(
        reduce_rows[np.dtype(dtype)], 0, 1, features, TO=features, **row_fold(name, np.dtype(dtype), features)
    )
    y = program.run(x, features + 1)
    naive.same(y[:, :-1], x)
    naive.same(y[:, -1], getattr(reduce, name)(x, 1, False))


@pytest.mark.parametrize("dtype", FLOATS)
def test_bytes_become_what_a_table_says(dtype):
    rng = np.random.default_rng(4)
    x, table = rng.integers(0, 256, (11, 13)).astype(np.uint8), numbers(rng, dtype, 256)
    program = Program(dtype, 5, [])
    row = program.emit(widen_rows[np.dtype(dtype)], 0, 1, 13)
    row[record.PRODUCT_AT + record.TABLE] = program.at(table)
    naive.same(program.run(x, 13), table[x])


def test_ticks_are_counted_for_each_instruction():
    x, ticks = np.ones((50, 8), np.float32), np.zeros(3, np.int64)
    program = Program(np.float32, 10, [8])
    program.emit(copy_rows, 0, 2, 8)
    program.emit(copy_rows, 2, 1, 8)
    naive.same(program.run(x, 8, ticks=ticks), x)
    assert (ticks[:2] > 0).all()
    assert ticks[2] == 0


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.9, 1.0])
def test_lists_change_no_bit_of_any_number_of_rows(dtype, zeros):
    rng = np.random.default_rng(5)
    for outputs in (3, 50, 100, 330):
        weight, bias = numbers(rng, dtype, outputs, 40), numbers(rng, dtype, outputs)
        program = Program(dtype, 60, [])
        program.linear(0, 1, weight, bias, lists=True)
        for count in (1, 2, 5, 6, 7, 11, 12, 13, 59, 60, 61, 125):
            x = numbers(rng, dtype, count, 40) * (rng.random((count, 40)) >= zeros)
            naive.same(program.run(x.astype(dtype), outputs), matmul(x.astype(dtype), weight.T, bias))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rows", [1, 3, 24])
@pytest.mark.parametrize("channels_last", [False, True])
def test_convolution_activation_and_pooling_have_the_bits_of_the_eager_ones(dtype, rows, channels_last):
    rng = np.random.default_rng(6)
    x, weight, bias = (
        numbers(rng, dtype, 7, 9, 8, 3),
        numbers(rng, dtype, 18, 3, 3, 3),
        numbers(rng, dtype, 18),
    )
    images = x if channels_last else np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    image, window = Image(9, 8, 3, channels_last), WindowSpec((3, 3), (1, 1), ((1, 1), (1, 0)))
    first = convolution_instruction(axes_of(image, window), image, np.dtype(dtype), weight, bias)
    between = Image(first.height, first.width, first.channels)
    second = pool_instruction("max", axes_of(between, WindowSpec((2, 2), (2, 2))), between, np.dtype(dtype))
    program = Program(dtype, rows, [between.size])
    program.emit(first.function, 0, 2, image.size, CONSTANT=first.table)
    program.emit(map_rows, 2, 2, between.size, LOOP=loop_address(relu, np.dtype(dtype)))
    program.emit(second.function, 2, 1, between.size, CONSTANT=second.table)
    h = convolve(x, weight, bias, (1, 1), window.padding, channels_last=True)
    expected = pool(np.where(h < 0, dtype(0), h), "max", (2, 2), (2, 2), channels_last=True)
    naive.same(program.run(images.reshape(7, -1), expected[0].size), expected.reshape(7, -1))
