"""What a graph can compute besides layers: ONNX's operations in their newest form, functions of Tensors."""
