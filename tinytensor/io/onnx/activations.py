"""ONNX's activations and ours."""

from typing import Any

__all__ = ["ACTIVATIONS", "SELU"]

SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}

# ONNX's activations: our class, and for each attribute our argument and ONNX's default.
ACTIVATIONS: dict[str, tuple[str, dict[str, tuple[str, Any]]]] = {
    "Celu": ("CELU", {"alpha": ("alpha", 1.0)}),
    "Elu": ("ELU", {"alpha": ("alpha", 1.0)}),
    "Gelu": ("GELU", {"approximate": ("approximate", "none")}),
    "HardSigmoid": ("ClippedLinear", {"alpha": ("alpha", 0.2), "beta": ("beta", 0.5)}),
    "HardSwish": ("HardSwish", {}),
    "LeakyRelu": ("LeakyReLU", {"alpha": ("negative_slope", 0.01)}),
    "Mish": ("Mish", {}),
    "Relu": ("ReLU", {}),
    "Selu": ("ScaledELU", {"alpha": ("alpha", SELU["alpha"]), "gamma": ("gamma", SELU["gamma"])}),
    "Sigmoid": ("Sigmoid", {}),
    "Softplus": ("Softplus", {}),
    "Softsign": ("Softsign", {}),
    "Swish": ("Swish", {"alpha": ("beta", 1.0)}),
    "Tanh": ("Tanh", {}),
    "ThresholdedRelu": ("ThresholdedReLU", {"alpha": ("alpha", 1.0)}),
}
