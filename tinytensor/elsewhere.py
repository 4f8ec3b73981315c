"""What other libraries call things that have another name here, or none, for the hint at an unknown name."""

from collections.abc import Callable
from typing import Any

__all__ = ["ABSENT", "NAMES", "hint", "of_package"]

NAMES = {
    "nn": "tt itself: nn.Linear is tt.Linear",
    "functional": "tt itself: F.relu is tt.relu",
    "Dense": "tt.Linear",
    "Module": "tt.Layer",
    "Model": "tt.Sequential or tt.Graph",
    "Input": "the shape that model.summary(shape) takes",
    "BatchNorm1d": "tt.BatchNorm",
    "BatchNorm2d": "tt.BatchNorm",
    "BatchNormalization": "tt.BatchNorm",
    "LayerNormalization": "tt.LayerNorm",
    "Convolution2D": "tt.Conv2d",
    "DepthwiseConv2D": "tt.Conv2d with groups",
    "Conv2DTranspose": "tt.ConvTranspose2d",
    "MaxPooling1D": "tt.MaxPool1d",
    "MaxPooling2D": "tt.MaxPool2d",
    "AveragePooling2D": "tt.AvgPool2d",
    "GlobalAveragePooling2D": "tt.GlobalAvgPool2d",
    "GlobalMaxPooling2D": "tt.GlobalMaxPool2d",
    "AdaptiveAvgPool1d": "tt.AdaptiveAvgPool2d",
    "UpSampling2D": "tt.Upsample",
    "ZeroPadding2D": "tt.Pad",
    "Rescaling": "tt.Rescale",
    "Normalization": "tt.Rescale",
    "Unflatten": "tt.Reshape",
    "Hardtanh": "tt.Clip",
    "ReLU6": "tt.Clip(0, 6)",
    "relu6": "tt.clip(x, 0, 6)",
    "array": "tt.Tensor",
    "asarray": "tt.Tensor",
    "as_tensor": "tt.Tensor",
    "tensor": "tt.Tensor",
    "from_numpy": "tt.Tensor",
    "empty": "tt.zeros",
    "zeros_like": "tt.zeros(t.shape)",
    "ones_like": "tt.ones(t.shape)",
    "full_like": "tt.full(t.shape, value)",
    "one_hot": "tt.eye(classes)[labels]",
    "random": "tt.normal and tt.uniform",
    "randn": "tt.normal",
    "rand": "tt.uniform",
    "manual_seed": "the argument seed, as in tt.normal(shape, seed=0)",
    "dot": "a @ b",
    "matmul": "a @ b",
    "mm": "a @ b",
    "pow": "a ** b",
    "power": "a ** b",
    "abs": "abs(t)",
    "cat": "tt.concatenate",
    "concat": "tt.concatenate",
    "clamp": "tt.clip",
    "unsqueeze": "t.expand_dims(axis)",
    "permute": "t.transpose(axes)",
    "view": "t.reshape(shape)",
    "save": "model.save(path)",
    "load_model": "tt.load",
    "load_state_dict": "model.load_state_dict or tt.load_weights",
    "DataLoader": "model.predict_batches(batches)",
    **{
        name: f"t.{name}()"
        for name in (
            "sum", "mean", "prod", "var", "std", "max", "min", "argmax", "argmin", "any", "all", "reshape",
            "transpose", "squeeze", "expand_dims", "flatten",
        )
    },
    **{name: f'dtype="{name}"' for name in ("float32", "float64", "int8", "int32", "int64", "uint8")},
}  # fmt: skip

UNTRAINED, PLACE = "nothing is trained here, so leave it out", "everything is on the CPU, so leave it out"
ABSENT = {
    **dict.fromkeys(
        (
            "no_grad", "inference_mode", "enable_grad", "optim", "optimizers", "losses", "Adam", "SGD",
            "CrossEntropyLoss",
        ),
        UNTRAINED,
    ),
    **dict.fromkeys(("cuda", "device", "mps"), PLACE),
    "float16": "numbers are float32 or float64; tt.quantize makes a network on bytes",
    **dict.fromkeys(("LSTM", "GRU", "RNN", "SimpleRNN"), "recurrent layers are not supported"),
    **dict.fromkeys(
        ("MultiheadAttention", "MultiHeadAttention", "Transformer", "TransformerEncoder"),
        "attention has no layer; write it as a tt.Layer of a @ b and tt.softmax",
    ),
}  # fmt: skip


def hint(name: str) -> str:
    """The end of an error message about a name of another library, or nothing.

    >>> hint("Dense")
    '; here it is tt.Linear'
    >>> hint("banana")
    ''
    """
    if name in NAMES:
        return f"; here it is {NAMES[name]}"
    return f"; {ABSENT[name]}" if name in ABSENT else ""


def of_package(package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package in which other libraries have names that `tinytensor` itself has."""

    def refuse(name: str) -> Any:
        from tinytensor.contents import __all__ as public

        end = f"; here it is tt.{name}" if name in public else hint(name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}{end}", name=name, obj=None)

    return refuse
