"""How far two programs of one network of images may differ: each rounding times what it changes at the end.

A program that evaluates a network in floating point computes the exact network with a small error δ put in
after each layer. To first order the output then moves by Σ J δ, J being the derivative of the output by that
layer's result, at the exact values: `error_bound` runs the network in float64, goes back through it for J,
and sums |J| times the bound of each layer's own rounding, for all elements of all layers:

- a sum of k products and a bias, in any order: γ(k + 1) (|W| |x| + |b|) (Higham, Accuracy and Stability of
  Numerical Algorithms, 2nd edition, section 3.1). So the bound holds for every order of summation, with fma
  or without;
- a batch norm x · s + t, s and t computed from the four parameters: 8 u (|x s| + |mean s| + |t|);
- a mean of k pixels: γ(k + 1) of the mean of |x|; a sum of two values: u |a + b|; ReLU: nothing;
- softmax: (k + 16 + 2 |x - max|) u of each result.

Going through |W| layer by layer instead would also be a bound, but one that grows with every layer: signs
cancel in J, and not in products of |W|. What is left out is of second order: products of two errors, for
which a test allows the factor 2, and ReLUs whose argument is so near 0 that an error switches it. The
argument of a ReLU that lies within `NEAR` times the largest roundings of the layers right before it counts as
an error of its size; that no argument of our own program is off by more is checked here.
"""

import itertools

import numpy as np

import tinytensor as tt
from tests.naive import gamma, unit_roundoff, windows

NEAR = 16  # times the roundings right before a ReLU: how far its argument may be off
FUNCTION = 16  # units of roundoff that an exp may be off, and the division after it
U = unit_roundoff(np.float32)


def taps(layer, lengths, size):
    """For each tap of a window its place in it, pixels of the output and the pixels of the input there."""
    pads = np.broadcast_to(layer.padding, 2) if isinstance(layer.padding, int | str) else layer.padding
    stride, dilation = (np.broadcast_to(n, 2) for n in (layer.stride, getattr(layer, "dilation", 1)))
    axes = []
    for n, k, step, rate, pad in zip(lengths, size, stride, dilation, pads, strict=True):
        total = max((-(-n // step) - 1) * step + rate * (k - 1) + 1 - n, 0)
        before, after = (total // 2, total - total // 2) if str(pad) == "same" else np.broadcast_to(pad, 2)
        axes.append(list(windows(n, k, step, before, after, rate)))
    for ky, kx in np.ndindex(*size):
        (top, above, _), (left, beside, _) = axes[0][ky], axes[1][kx]
        yield (ky, kx), (slice(None), *np.ix_(top, left)), (slice(None), *np.ix_(above, beside))


def sums(layer, x, weight, bias):
    """A convolution with its channels last, of a weight (groups, out, in, height, width)."""
    found, groups = list(taps(layer, x.shape[1:3], weight.shape[3:])), len(weight)
    lengths = [max(int(here[i].max()) for _, here, _ in found if here[i].size) + 1 for i in (1, 2)]
    y = np.zeros((len(x), *lengths, groups, weight.shape[1]))
    x = x.reshape(*x.shape[:3], groups, -1)
    for place, here, there in found:
        y[here] += np.einsum("nhwgc,goc->nhwgo", x[there], weight[(..., *place)])
    return y.reshape(*y.shape[:3], -1) + bias


def sums_back(layer, j, weight, lengths):
    """The derivative by what a convolution reads of what has the derivative j by its result."""
    groups = len(weight)
    found = np.zeros((len(j), *lengths, groups, weight.shape[2]))
    j = j.reshape(*j.shape[:3], groups, -1)
    for place, here, there in taps(layer, lengths, weight.shape[3:]):
        found[there] += np.einsum("nhwgo,goc->nhwgc", j[here], weight[(..., *place)])
    return found.reshape(*found.shape[:3], -1)


def wide(array):
    """In float64."""
    return np.asarray(array, np.float64)


# Each rule: the exact result, the bound of its own rounding, and how a derivative goes back.


def convolution(layer, x):
    assert layer.channels_last
    weight = wide(layer.weight).reshape(layer.groups, -1, *layer.weight.shape[1:])
    bias = np.float64(0) if layer.bias is None else wide(layer.bias)
    size = sums(layer, np.abs(x), np.abs(weight), np.abs(bias))
    rounding = gamma(weight[0, 0].size + 1, np.float32) * size
    return sums(layer, x, weight, bias), rounding, lambda j: sums_back(layer, j, weight, x.shape[1:3])


def mean(layer, x):
    assert layer.channels_last
    assert layer.padding in (0, "valid")
    size = np.broadcast_to(layer.kernel_size, 2)
    weight = np.full((x.shape[-1], 1, 1, *size), 1 / np.prod(size))
    rounding = gamma(np.prod(size) + 1, np.float32) * sums(layer, np.abs(x), weight, 0)
    return sums(layer, x, weight, 0), rounding, lambda j: sums_back(layer, j, weight, x.shape[1:3])


def linear(layer, x):
    weight, bias = wide(layer.weight), wide(layer.bias)
    rounding = gamma(weight.shape[1] + 1, np.float32) * (np.abs(x) @ np.abs(weight).T + np.abs(bias))
    return x @ weight.T + bias, rounding, lambda j: j @ weight


def batch_norm(layer, x):
    assert layer.axis in (-1, x.ndim - 1)
    gain, bias, mean, variance = map(wide, layer.parameters().values())
    scale = gain / np.sqrt(variance + layer.eps)
    shift = bias - mean * scale
    rounding = 8 * U * (np.abs(x * scale) + np.abs(mean * scale) + np.abs(shift))
    return x * scale + shift, rounding, lambda j: j * scale


def softmax(layer, x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    y = powers / powers.sum(-1, keepdims=True)
    rounding = y * U * (x.shape[-1] + FUNCTION + 2 * np.abs(x - x.max(-1, keepdims=True)))

    def back(j):
        each = np.repeat(y, len(j) // len(y), 0)
        return each * (j - (j * each).sum(-1, keepdims=True))

    return y, rounding, back


def dropout(layer, x):
    return x, 0.0, lambda j: j


def flat(layer, x):
    return x.reshape(len(x), -1), 0.0, lambda j: j.reshape(-1, *x.shape[1:])


RULES = {
    tt.Conv2d: convolution, tt.AvgPool2d: mean, tt.Linear: linear, tt.BatchNorm: batch_norm,
    tt.Softmax: softmax, tt.Flatten: flat, tt.Dropout: dropout,
}  # fmt: skip


def steps_of(model):
    """The layers, each with the names of what it reads and gives."""
    if isinstance(model, tt.Graph):
        return zip(model.layers, model.wires, strict=True), model.input_names[0], model.output_names[0]
    names = [str(i) for i in range(len(model) + 1)]
    wires = [([a], [b]) for a, b in itertools.pairwise(names)]
    return zip(model.children().values(), wires, strict=True), names[0], names[-1]


def error_bound(model, x):
    """The exact result of a network, and a bound of the error of any program that computes it in float32."""
    steps, first, last = steps_of(model)
    values, ours, local, near, backs = {first: wide(x)}, {first: tt.Tensor(x)}, {first: 0.0}, {first: 0.0}, []
    for layer, (reads, (name,)) in steps:
        given, ours[name] = [values[each] for each in reads], layer.forward(*(ours[each] for each in reads))
        if type(layer) is tt.ReLU:
            a, reach = given[0], NEAR * near[reads[0]]
            assert np.abs(wide(ours[reads[0]]) - a).max() <= reach
            found = np.maximum(a, 0), np.where(np.abs(a) <= reach, np.abs(a), 0.0), positive(a)
        elif len(given) == 2:
            assert layer.operation == "Add"
            found = sum(given), U * np.abs(sum(given)), lambda j: j
        else:
            found = RULES[type(layer)](layer, given[0])
        values[name], local[name], back = found
        backs.append((reads, name, back))
        near[name] = np.max(local[name]) + (0 if len(given) == 1 else max(near[each] for each in reads))
    return values[last], swept(values, local, backs, last)


def positive(a):
    """How a derivative goes back through a ReLU of a."""
    return lambda j: j * np.repeat(a > 0, len(j) // len(a), 0)


def swept(values, local, backs, last):
    """Σ |J| times the rounding of each layer, for each of the outputs."""
    y = values[last]
    n, outputs = y.shape
    jacobians = {last: np.tile(np.eye(outputs), (n, 1))}  # rows: the outputs of each sample in turn
    bound = np.zeros(n * outputs)
    for reads, name, back in reversed(backs):
        j = jacobians.pop(name)
        rounding = np.repeat(np.broadcast_to(local[name], values[name].shape), outputs, 0)
        bound += (np.abs(j) * rounding).reshape(n * outputs, -1).sum(1)
        found = back(j)
        for each in reads:
            jacobians[each] = jacobians.get(each, 0.0) + found
    return bound.reshape(n, outputs)
