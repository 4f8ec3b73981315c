"""ONNX, in (`reader`) and out (`writer`); importing this does not import the onnx package.

In: wire (bytes that are no bomb) → tensors, program (steps over named values) → semantics (the newest form of
every operation) → simplify → shapes → patterns, choose (layers in the place of steps) → assemble.
Out: trace_writer (the primitives of a trace, each by its rule in rules).
"""

from tinytensor.io.onnx.reader import from_onnx, read
from tinytensor.io.onnx.writer import to_onnx, write

__all__ = ["from_onnx", "read", "to_onnx", "write"]
