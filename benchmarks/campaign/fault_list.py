"""60 faults that could be made in kernels, lowering and workers, and the tests that should catch them."""

from typing import NamedTuple

__all__ = ["FAULTS", "Fault"]


class Fault(NamedTuple):
    """In a file of tinytensor/ a text that stands there once becomes another; the tests that should fail."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]


NETS = ("tests/test_plan.py", "tests/test_random_nets.py")
IMAGES = ("tests/test_image_nets.py", "tests/test_images.py")
TILE = ("tests/kernels/test_tile.py",)
SCALARS = ("tests/kernels/test_scalar.py",)
WORKERS = ("tests/test_workers.py",)

FAULTS = (
    # kernels: the tile and the list
    Fault("kernels/tile.py", "first = row * self.columns", "first = row", TILE),
    Fault("kernels/tile.py", "self.scale = 1 if tile.taps else self.size", "self.scale = self.size",
          ("tests/kernels/test_convolution.py",)),
    Fault("kernels/tile.py", "b.multiply(place, self.size * max(tile.end, 0))",
          "b.multiply(place, self.size)", TILE),
    Fault("kernels/tile.py", "slot = row % self.per_tail\n                if slot:",
          "slot = row % 2\n                if slot:", TILE),
    Fault("kernels/tile.py", "return self.tile.end != RAGGED or column < self.columns - 1",
          "return True", (*TILE, "tests/kernels/test_guards.py")),
    Fault("kernels/lists.py", 'first = b.add(inputs, -GROUP)', 'first = b.add(inputs, 1 - GROUP)',
          ("tests/kernels/test_lists.py",)),
    Fault("kernels/lists.py", "b.ir.shl(ir.Constant(bits, -1), skipped)", "ir.Constant(bits, -1)",
          ("tests/kernels/test_lists.py",)),
    Fault("kernels/lists.py", 'b.ir.fcmp_unordered("!="', 'b.ir.fcmp_ordered("!="',
          ("tests/kernels/test_lists.py",)),
    Fault("kernels/lists.py",
          "b.ir.select(none, b.integer(1), count)", "count", ("tests/kernels/test_lists.py",)),
    # kernels: products with one column, pointwise loops, softmax, reductions
    Fault("kernels/matvec.py", 'b.ir.icmp_signed("<", b.integer(row), left)',
          'b.ir.icmp_signed("<=", b.integer(row), left)', ("tests/kernels/test_guards.py",)),
    Fault("kernels/matvec.py", "rest = b.ir.srem(self.inputs, b.integer(self.lanes))",
          "rest = b.ir.srem(self.rows, b.integer(self.lanes))", ("tests/kernels/test_matmul.py",)),
    Fault("kernels/binary_loops.py", "x if x >= y or x != x else y)", "x if x >= y else y)",
          ("tests/kernels/test_binary.py",)),
    Fault("kernels/binary_loops.py", "count = min(rows, middle - j) * inner", "count = rows * inner",
          ("tests/kernels/test_binary.py", "tests/kernels/test_guards.py")),
    Fault("kernels/binary_loops.py", "b_step = b_inner if b_middle > 1 else 0", "b_step = b_inner",
          ("tests/kernels/test_binary.py",)),
    Fault("kernels/softmax_loops.py", "lanes, stride, working = min(LANES, inner - column), inner,",
          "lanes, stride, working = LANES, inner,", ("tests/kernels/test_softmax.py",)),
    Fault("kernels/softmax_loops.py", "    for c in range(1, classes):\n        largest = x[c]",
          "    for c in range(2, classes):\n        largest = x[c]", ("tests/kernels/test_softmax.py",)),
    Fault("kernels/softmax_loops.py", "    for c in range(1, classes):\n        total += powers[c]",
          "    for c in range(classes - 1, 0, -1):\n        total += powers[c]",
          ("tests/kernels/test_softmax.py", "tests/kernels/test_cpu.py")),
    Fault("kernels/row_reductions.py", "last = pointer_to(x, first * x_stride), min(first + lanes, rows)",
          "last = pointer_to(x, first * x_stride), rows", ("tests/test_lowering.py", "tests/test_trace.py")),
    Fault("kernels/row_reductions.py", "math.sqrt(squares / n + eps)",
          "math.sqrt(squares / n) + eps", ("tests/test_layer_norm.py", "tests/test_random_nets.py")),
    Fault("kernels/row_reductions.py", "inverses[lane] = means[lane] / n",
          "inverses[lane] = means[lane] / lanes", ("tests/test_lowering.py",)),
    # kernels: scalar functions
    Fault("kernels/exponential.py", "lost = high - (first - one)", "lost = high - high", SCALARS),
    Fault("kernels/exponential.py", "result = zero if x < lowest else result\n        return infinity",
          "return infinity", SCALARS),
    Fault("kernels/exponential.py", "d_low = low - (d - high)", "d_low = low", SCALARS),
    Fault("kernels/exponential.py",
          "return x if absolute(x) < tiny else half + half", "return half + half", SCALARS),
    Fault("kernels/exponential.py", "half = shift_right(exponent, 1)\n", "half = exponent\n", SCALARS),
    # kernels: windows of images
    Fault("kernels/window_rows.py", "        top = min(top, rows)\n",
          "        top = rows\n", IMAGES),
    Fault("kernels/window_rows.py", "repeat(rows_at + OUT_TABLE, rows, tallest)",
          "repeat(rows_at + OUT_TABLE, rows, 0)", (*IMAGES, "tests/kernels/test_convolution.py")),
    Fault("kernels/window_rows.py", "some = min(rows - row, last - pixel)", "some = rows - row",
          ("tests/kernels/test_convolution.py",)),
    # workers
    Fault("kernels/workers.py",
          "helpers = min(helpers, (count - 1) // size)", "helpers = min(helpers, count // size)",
          WORKERS),
    Fault("kernels/workers.py", "    while load(box, ACTIVE) != 0:\n", "    while False:\n",
          (*WORKERS, "tests/test_plan.py", "tests/test_predict.py")),
    Fault("kernels/workers.py", "    store(box, TAKEN, 0)\n    return RAISED", "    return RAISED", WORKERS),
    Fault("kernels/workers.py",
          "store(taken_of(box_at, worker), 0, 0)", "store(taken_of(box_at, worker), 0, 1)", WORKERS),
    Fault("kernels/workers.py", "    store(box, FAILED, 0)\n", "", WORKERS),
    Fault("kernels/workers.py",
          "if load(box, GENERATION) == seen or not compare_exchange(slot, ASLEEP, 1, 0):",
          "if True:", WORKERS),
    Fault("kernels/workers.py",
          "        if index < box[HELPERS]:\n", "        if index <= box[HELPERS]:\n", WORKERS),
    Fault("kernels/workers.py", "scratch, size, count = box[SCRATCH] + worker * box[SCRATCH_BYTES],",
          "scratch, size, count = box[SCRATCH],", WORKERS),
    Fault("kernels/workers.py",
          "        wake(integers_at(box_at + 8 * (SLOTS + SLOT * index)))\n    turn = 0",
          "        pass\n    turn = 0", WORKERS),
    Fault("threads.py", "os.register_at_fork(after_in_child=renew_team)", "renew_team", WORKERS),
    Fault("threads.py",
          "return [each for each in found if each > 0]", "return found", ("tests/test_threads.py",)),
    Fault("threads.py", "return max(1, min([cpus, *quotas()]))", "return max(1, max([cpus, *quotas()]))",
          ("tests/test_threads.py",)),
    Fault("workers.py",
          "return found if found.size >= size else new_memory(size, PAGE)", "return found", WORKERS),
    Fault("kernels/forks.py",
          "for _, each in sorted(locks.items()):", "for _, each in sorted(locks.items(), reverse=True):",
          WORKERS),
    # lowering
    Fault("inference/lowering.py", "skips = bool(np.isfinite(weight).all()) and zero", "skips = zero", NETS),
    Fault("inference/lowering.py", "zero = table is None or table[0] == 0", "zero = True",
          ("tests/test_lowering.py",)),
    Fault("inference/lowering.py", "        here = self.channels_last(x, last)\n        height",
          "        here = self.source_of(x)\n        height", IMAGES),
    Fault("inference/lowering.py", "values, sample = values.transpose(1, 2, 0), (*sample[1:], sample[0])",
          "values, sample = values.transpose(2, 1, 0), (*sample[1:], sample[0])",
          ("tests/test_lowering.py",)),
    Fault("inference/lowering.py", "elif a.sample == b.sample and self.last & {a.index, b.index}:",
          "elif a.sample == b.sample:", IMAGES),
    Fault("inference/lowering.py", "FROM=int(places[0]), TO=first)",
          "FROM=int(places[0]), TO=0)", ("tests/test_trace.py", "tests/test_lowering.py")),
    Fault("inference/lowering.py", "        here.overread = True\n", "", ("tests/test_lowering.py",)),
    Fault("inference/lowering.py", 'owner = np.searchsorted(starts, places, "right") - 1',
          'owner = np.searchsorted(starts, places, "left") - 1', ("tests/test_trace.py", *IMAGES)),
    Fault("inference/lowering.py", "repeat = math.prod(x.sample[: len(x.sample) - count])", "repeat = 1",
          ("tests/test_lowering.py",)),
    Fault("inference/emitter.py", "alone = here.readers == sum(", "alone = here.readers >= sum(",
          ("tests/test_plan.py", "tests/test_trace.py", "tests/test_graph.py")),
    Fault("inference/emitter.py",
          "        if symbol.index in self.last:\n            self.last.add(node.result.index)\n",
          "", IMAGES),
    Fault("inference/emitter.py", "alone = node.symbols == [here] and self.reads[here.index] == 1",
          "alone = node.symbols == [here]",
          ("tests/test_lowering.py",)),
    Fault("inference/buffers.py", "if other.first <= buffer.last and buffer.first <= other.last",
          "if other.first < buffer.last and buffer.first < other.last",
          ("tests/inference/test_buffers.py", *NETS)),
    Fault("inference/program.py", "        if x.flags.c_contiguous:\n            return True",
          "        if x.flags.forc:\n            return True", NETS),
    Fault("inference/program.py",
          "return not self.packed and x.ndim == 2", "return x.ndim == 2", ("tests/test_lowering.py",)),
    Fault("inference/watch.py", "    if isinstance(value, BuiltinFunctionType):", "    if False:",
          ("tests/test_trace.py", "tests/test_stale.py", "tests/test_watch.py")),
    Fault("inference/plan.py", "if plan is not None and plan.is_current(count):", "if plan is not None:",
          ("tests/test_stale.py",)),
    Fault("primitives/windows.py", 'parameters["counts_padding"], parameters["channels_last"])',
          'False, parameters["channels_last"])', IMAGES),
)  # fmt: skip
