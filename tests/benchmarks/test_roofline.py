"""The loop that measures the CPU's peak does the multiply-adds that are counted."""

from benchmarks import roofline


def test_no_chain_is_computed_by_the_compiler():
    lanes = roofline.width()
    loop = roofline.burner(lanes)
    assert loop(1000) > 0
    (code,) = loop.inspect_llvm().values()
    operation = f"@llvm.fma.v{lanes}f32(" if roofline.fused() else f"fmul <{lanes} x float>"
    calls = [line for line in code.splitlines() if operation in line and "declare" not in line]
    assert len(calls) == roofline.CHAINS
