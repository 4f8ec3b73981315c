"""Declarations of the kernels that run a network: what Python needs to know of them, without Numba."""

from tinytensor.kernels.boundary import INT8, UINT8
from tinytensor.kernels.declare import by_dtype, kernel

__all__ = [
    "bytes_rows",
    "column_product",
    "column_range",
    "copy_rows",
    "describe_product",
    "direct_product",
    "direct_range",
    "gather_rows",
    "linear",
    "log_softmax_rows",
    "map_rows",
    "matrix_linear",
    "pad_rows",
    "pair_rows",
    "product_range",
    "reduce_rows",
    "run_program",
    "run_together",
    "several_rows",
    "softmax_rows",
    "spread_rows",
    "standardize_rows",
    "transpose_rows",
    "widen_rows",
    "window_rows",
    "window_share",
]

run_program = kernel("driver.run_program", "void(i64, data, i64, data, i64, i64, i64, data)")
run_together = kernel("together.run_together", "void(i64, i64, i64, i64, i64, i64, i64, i64)")

# Instructions: a record, the thread's scratch memory, and how many rows.
linear = kernel("linear.linear", "void(i64, i64, i64)")
matrix_linear = kernel("matrix_rows.matrix_linear", "void(i64, i64, i64)")
map_rows = kernel("instructions.map_rows", "void(i64, i64, i64)")
pair_rows = kernel("instructions.pair_rows", "void(i64, i64, i64)")
several_rows = kernel("instructions.several_rows", "void(i64, i64, i64)")
spread_rows = by_dtype("instructions.spread_rows", "void(i64, T*, i64)")
gather_rows = by_dtype("instructions.gather_rows", "void(i64, T*, i64)")
gather_rows[UINT8] = kernel("instructions.gather_rows", "void(i64, u8*, i64)")
pad_rows = by_dtype("instructions.pad_rows", "void(i64, T*, i64)")
pad_rows[UINT8] = kernel("instructions.pad_rows", "void(i64, u8*, i64)")
bytes_rows = kernel("bytes_rows.bytes_rows", "void(i64, i64, i64)")
copy_rows = kernel("instructions.copy_rows", "void(i64, i64, i64)")
standardize_rows = kernel("row_reductions.standardize_rows", "void(i64, i64, i64)")
window_rows = kernel("window_rows.window_rows", "void(i64, i64, i64)")
transpose_rows = by_dtype("transpose_rows.transpose_rows", "void(i64, T*, i64)")
transpose_rows[UINT8] = transpose_rows[INT8] = kernel("bytes_rows.transpose_bytes", "void(i64, i64, i64)")
widen_rows = by_dtype("instructions.widen_rows", "void(i64, T*, i64)")
softmax_rows = by_dtype("instructions.softmax_rows", "void(i64, T*, i64)")
reduce_rows = by_dtype("row_reductions.reduce_rows", "void(i64, T*, i64)")
log_softmax_rows = by_dtype("instructions.log_softmax_rows", "void(i64, T*, i64)")

direct_product = kernel(
    "product.direct_product", "void(i64, data, i64, data, i64, data, data, i64, i64, i64, data)"
)
direct_range = kernel("product.direct_range", "void(i64, data, i64, data, i64, i64, i64, data)")
describe_product = kernel(
    "product.describe_product", "i64(data, i64, i64, data, i64, i64, data, i64, i64, i64)"
)
column_product = kernel("product.column_product", "void(i64, data, i64, i64, i64, data, data, data)")
column_range = kernel("product.column_range", "void(i64, data, i64, data, i64, i64, i64, data)")
product_range = by_dtype("product.product_range", "void(i64, T*, i64, T*, i64, i64, i64, T*)")
window_share = kernel("window_rows.window_share", "void(i64, data, i64, data, i64, i64, i64, data)")
