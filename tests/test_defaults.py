"""Arguments of layers that may be left out. A file may leave them out as well, so they keep their values."""

import inspect
import re

import tinytensor as tt
from tinytensor import contents

DEFAULTS = """
AdaptiveAvgPool2d: channels_last=False
AvgPool1d: stride=None, padding=0, ceil_mode=False, count_include_pad=True, channels_last=False
AvgPool2d: stride=None, padding=0, ceil_mode=False, count_include_pad=True, channels_last=False
BatchNorm: bias=None, running_mean=None, running_var=None, eps=1e-05, axis=1
CELU: alpha=1.0
Clip: low=0.0, high=6.0
ClippedLinear: alpha=0.2, beta=0.5
Conv1d: stride=1, padding=0, dilation=1, groups=1, bias=True, channels_last=False, weight=None,
    initializer='xavier_uniform', seed=None, dtype=None
Conv2d: stride=1, padding=0, dilation=1, groups=1, bias=True, channels_last=False, weight=None,
    initializer='xavier_uniform', seed=None, dtype=None
ConvTranspose2d: stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1,
    channels_last=False, weight=None, initializer='xavier_uniform', seed=None, dtype=None
Dequantize: zero_point=0
Dropout: p=0.5
ELU: alpha=1.0
Embedding: weight=None, initializer='normal', seed=None, dtype=None
GELU: approximate='none'
GlobalAvgPool2d: keepdims=False, channels_last=False
GlobalMaxPool2d: keepdims=False, channels_last=False
Graph: signature=()
LayerNorm: bias=None, eps=1e-05
LeakyReLU: negative_slope=0.01
Linear: bias=True, weight=None, initializer='xavier_uniform', seed=None, dtype=None
LogSoftmax: axis=-1
Lookup: function=''
MaxPool1d: stride=None, padding=0, dilation=1, ceil_mode=False, channels_last=False
MaxPool2d: stride=None, padding=0, dilation=1, ceil_mode=False, channels_last=False
Operator: attributes=None
Pad: mode='constant', value=0.0, channels_last=False
Quantize: zero_point=0, low=0, high=255
QuantizedAdd: zero_points=(0, 0), output_zero_point=0, low=0, high=255
QuantizedAvgPool2d: stride=None, padding=0, ceil_mode=False, count_include_pad=True, channels_last=False,
    input_zero_point=0, output_scale=None, output_zero_point=0, low=0, high=255
QuantizedConv2d: bias=None, input_zero_point=0, output_scale=None, output_zero_point=0, low=0, high=255,
    stride=1, padding=0, dilation=1, groups=1, channels_last=False
QuantizedGlobalAvgPool2d: keepdims=False, channels_last=False, input_zero_point=0, output_scale=None,
    output_zero_point=0, low=0, high=255
QuantizedLinear: bias=None, input_zero_point=0, output_scale=None, output_zero_point=0, low=0, high=255
Rescale: offset=0.0
ScaledELU: alpha=1.0, gamma=1.0
Softmax: axis=-1
Swish: beta=1.0
ThresholdedReLU: alpha=1.0
Upsample: size=None, scale_factor=None, mode='nearest', align_corners=False, channels_last=False
"""


def test_defaults_of_layers():
    wanted = re.sub(r"\n +", " ", DEFAULTS).strip().splitlines()
    found = []
    for name in sorted(contents.__all__):
        layer = getattr(tt, name)
        if isinstance(layer, type) and issubclass(layer, tt.Layer) and layer.__name__ == name:
            parameters = inspect.signature(layer).parameters.values()
            given = [f"{each.name}={each.default!r}" for each in parameters if each.default is not each.empty]
            found += [f"{name}: {', '.join(given)}"] if given else []
    assert found == wanted
