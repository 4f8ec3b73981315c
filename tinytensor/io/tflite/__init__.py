"""TensorFlow Lite's files, in; importing this does not import the tflite package.

flatbuffer (offsets that stay in the file) → model (tensors and operators) → operations (steps as ONNX has
them, with DequantizeLinear and QuantizeLinear around those on quantised values) → reader (layers).
"""

from tinytensor.io.tflite.reader import load, read

__all__ = ["load", "read"]
