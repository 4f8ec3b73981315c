"""ONNX's activations and ours."""

from typing import Any

__all__ = ["ACTIVATIONS", "SELU", "WRITTEN"]

SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}

# ONNX's activations: our class, for each attribute our argument and ONNX's default, and the opset of the last
# definition that was read when this was written.
ACTIVATIONS: dict[str, tuple[str, dict[str, tuple[str, Any]], int]] = {
    "Celu": ("CELU", {"alpha": ("alpha", 1.0)}, 28),
    "Elu": ("ELU", {"alpha": ("alpha", 1.0)}, 22),
    "Gelu": ("GELU", {"approximate": ("approximate", "none")}, 20),
    "HardSigmoid": ("ClippedLinear", {"alpha": ("alpha", 0.2), "beta": ("beta", 0.5)}, 22),
    "HardSwish": ("HardSwish", {}, 22),
    "LeakyRelu": ("LeakyReLU", {"alpha": ("negative_slope", 0.01)}, 16),
    "Mish": ("Mish", {}, 22),
    "Relu": ("ReLU", {}, 14),
    "Selu": ("ScaledELU", {"alpha": ("alpha", SELU["alpha"]), "gamma": ("gamma", SELU["gamma"])}, 22),
    "Sigmoid": ("Sigmoid", {}, 13),
    "Softplus": ("Softplus", {}, 22),
    "Softsign": ("Softsign", {}, 22),
    "Swish": ("Swish", {"alpha": ("beta", 1.0)}, 24),
    "Tanh": ("Tanh", {}, 13),
    "ThresholdedRelu": ("ThresholdedReLU", {"alpha": ("alpha", 1.0)}, 22),
}

# Ours that ONNX has in another form: its operation and its attributes.
WRITTEN: dict[str, tuple[str, dict[str, float]]] = {
    "Exponential": ("Exp", {}),
    "HardSigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "Identity": ("Identity", {}),
    "SELU": ("Selu", {}),
}
