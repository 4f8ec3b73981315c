"""Small TensorFlow Lite files, written with the functions of the schema package."""

import flatbuffers
import numpy as np
import tflite

TYPES = {
    "float32": tflite.TensorType.FLOAT32, "float16": tflite.TensorType.FLOAT16,
    "int8": tflite.TensorType.INT8, "uint8": tflite.TensorType.UINT8, "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32, "int64": tflite.TensorType.INT64, "bool": tflite.TensorType.BOOL,
}  # fmt: skip


class File:
    """Tensors and operators so far; a tensor is its number, None a length that is not known."""

    def __init__(self):
        self.tensors, self.buffers, self.operators, self.codes = [], [b""], [], []

    def tensor(self, shape, dtype="float32", scale=None, zero=0, axis=0, buffer=0, name=None):
        several = np.atleast_1d(0.0 if scale is None else scale)
        zeros = np.broadcast_to(zero, several.shape)
        scaling = None if scale is None else (several, zeros, axis)
        name = f"t{len(self.tensors)}" if name is None else name
        self.tensors.append((tuple(shape), dtype, scaling, buffer, name))
        return len(self.tensors) - 1

    def constant(self, value, scale=None, zero=0, axis=0):
        array = np.ascontiguousarray(value)
        self.buffers.append(array.tobytes())
        return self.tensor(np.shape(value), array.dtype.name, scale, zero, axis, len(self.buffers) - 1)

    def add(self, op, inputs, result, kind=None, **options):
        """One more operator; its options are a table of that kind. The result is a tensor, or several."""
        code = getattr(tflite.BuiltinOperator, op) if isinstance(op, str) else op
        if code not in self.codes:
            self.codes.append(code)
        results = result if isinstance(result, list) else [result]
        self.operators.append((self.codes.index(code), inputs, results, kind, options))
        return result

    def content(self, inputs, outputs):
        """The bytes of the file."""
        self.builder = flatbuffers.Builder(1024)
        graph = self.table(
            "SubGraph", Tensors=self.tables(self.of_tensor(*each) for each in self.tensors),
            Inputs=self.numbers(inputs, np.int32), Outputs=self.numbers(outputs, np.int32),
            Operators=self.tables(self.of_operator(*each) for each in self.operators),
            Name=self.builder.CreateString("main"),
        )  # fmt: skip
        codes = [
            self.table("OperatorCode", DeprecatedBuiltinCode=min(code, 127), BuiltinCode=code, Version=1)
            for code in self.codes
        ]
        buffers = [
            self.table("Buffer", Data=self.numbers(np.frombuffer(each, np.uint8), np.uint8))
            for each in self.buffers
        ]
        root = self.table(
            "Model", Version=3, OperatorCodes=self.tables(codes), Subgraphs=self.tables([graph]),
            Description=self.builder.CreateString(""), Buffers=self.tables(buffers),
        )  # fmt: skip
        self.builder.Finish(root, b"TFL3")
        return bytes(self.builder.Output())

    def table(self, kind, **fields):
        getattr(tflite, f"{kind}Start")(self.builder)
        for name, value in fields.items():
            if value is not None:
                getattr(tflite, f"{kind}Add{name}")(self.builder, value)
        return getattr(tflite, f"{kind}End")(self.builder)

    def tables(self, positions):
        positions = list(positions)
        self.builder.StartVector(4, len(positions), 4)
        for each in reversed(positions):
            self.builder.PrependUOffsetTRelative(each)
        return self.builder.EndVector()

    def numbers(self, values, dtype):
        return self.builder.CreateNumpyVector(np.array(values, dtype))

    def of_tensor(self, shape, dtype, scaling, buffer, name):
        quantization = None
        if scaling is not None:
            scale, zero, axis = scaling
            quantization = self.table(
                "QuantizationParameters", Scale=self.numbers(scale, np.float32),
                ZeroPoint=self.numbers(zero, np.int64), QuantizedDimension=axis,
            )  # fmt: skip
        lengths = [1 if n is None else n for n in shape]
        signature = self.numbers([-1 if n is None else n for n in shape], np.int32) if None in shape else None
        return self.table(
            "Tensor", Shape=self.numbers(lengths, np.int32), Type=TYPES[dtype], Buffer=buffer,
            Name=self.builder.CreateString(name), Quantization=quantization, ShapeSignature=signature,
        )  # fmt: skip

    def of_operator(self, code, inputs, outputs, kind, options):
        vectors = {
            name: self.numbers(value, np.int32) for name, value in options.items() if isinstance(value, list)
        }
        table = None if kind is None else self.table(kind, **(options | vectors))
        return self.table(
            "Operator", OpcodeIndex=code, Inputs=self.numbers(inputs, np.int32),
            Outputs=self.numbers(outputs, np.int32), BuiltinOptions=table,
            BuiltinOptionsType=None if kind is None else getattr(tflite.BuiltinOptions, kind),
        )  # fmt: skip


def small(dtype="int8"):
    """A convolution, a mean and a product, quantised or not: the bytes of the file."""
    rng, file = np.random.default_rng(0), File()
    signed = {"float32": None, "int8": -5, "uint8": 123}[dtype]
    whole = dtype != "float32"

    def value(shape, scale):
        return file.tensor(shape, dtype, *((scale, signed) if whole else ()))

    def weight(shape, axis):
        if not whole:
            return file.constant(rng.standard_normal(shape).astype(np.float32))
        if dtype == "uint8":
            return file.constant(rng.integers(65, 190, shape).astype(np.uint8), 0.002, 128)
        scales = np.linspace(0.001, 0.003, shape[axis])
        return file.constant(rng.integers(-127, 128, shape).astype(np.int8), scales, 0, axis)

    def bias(n, unit):
        values = rng.integers(-500, 500, n).astype(np.int32 if whole else np.float32)
        return file.constant(
            values, unit * (np.linspace(0.001, 0.003, n) if dtype == "int8" else 0.002) if whole else None
        )

    x = value((1, 5, 4, 2), 0.1)
    options = {"StrideH": 2, "StrideW": 2, "DilationHFactor": 1, "DilationWFactor": 1}
    inputs = [x, weight((3, 2, 2, 2), 0), bias(3, 0.1)]
    h = value((1, 3, 2, 3), 0.05)
    file.add("CONV_2D", inputs, h, "Conv2DOptions", **options, FusedActivationFunction=1)
    axes = file.constant(np.array([1, 2], np.int32))
    m = file.add("MEAN", [h, axes], value((1, 3), 0.05), "ReducerOptions", KeepDims=False)
    y = file.add(
        "FULLY_CONNECTED", [m, weight((4, 3), 0), bias(4, 0.05)], value((1, 4), 0.04), "FullyConnectedOptions"
    )
    return file.content([x], [y])
