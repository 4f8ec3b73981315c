"""Train the convolutional model that comes with the package with PyTorch.

    pip install "tinytensor-nn[train]"
    python -m benchmarks.train_cnn --validate --device cuda   # writes nothing
    python -m benchmarks.train_cnn --device cuda              # writes tinytensor/models/mnist_cnn.safetensors

28,442 parameters, 659,200 multiply-adds a digit. `benchmarks/digits.py` says which images it sees and how
they are distorted. Eight networks of 17,194 to 40,394 parameters and 0.60 to 2.48 million multiply-adds were
compared after 40 epochs; they misread 19 to 25 of the 5,000 validation digits, a difference that chance
explains. This one misread 21 and is the second cheapest. After 80 epochs with the seed of the package, it
misread 23. The 80 epochs of the packaged weights took 143 s on an NVIDIA H200, beside a second training.
PyTorch does not promise the same bits on a GPU, so another training may give slightly different weights.
"""

import itertools

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import tinytensor as tt
from benchmarks import digits

# in_channels, out_channels, kernel_size, stride; all channels fill vectors of 16 floats
FIRST, SECOND, THIRD, FOURTH = (1, 16, 5, 2), (16, 16, 3, 1), (16, 32, 3, 1), (32, 64, 3, 1)
FEATURES = 64 * 2 * 2


def train(images: Tensor, labels: Tensor) -> nn.Module:
    """The network, with a batch norm behind every convolution."""

    def block(*shape: int) -> list[nn.Module]:
        return [nn.Conv2d(*shape, bias=False), nn.BatchNorm2d(shape[1]), nn.ReLU()]

    layers = [*block(*FIRST), *block(*SECOND), *block(*THIRD), nn.MaxPool2d(2), *block(*FOURTH)]
    model = nn.Sequential(nn.Unflatten(1, (1, 28)), *layers, nn.Flatten(), nn.Linear(FEATURES, 10))
    return digits.fit(model, images, labels, epochs=80, rate=5e-3)


def network(trained: nn.Module) -> tt.Sequential:
    """The same as a tinytensor model, from raw pixels to probabilities; the batch norms are folded in."""
    modules = list(trained.children())
    folded: list[nn.Module] = [
        fuse_conv_bn_eval(a, b)
        for a, b in itertools.pairwise(modules)
        if isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d)
    ]
    model = untrained()
    parameters = [p.detach().numpy() for module in [*folded, modules[-1]] for p in module.parameters()]
    model.load_state_dict(dict(zip(model.state_dict(), parameters, strict=True)))
    return model


def untrained() -> tt.Sequential:
    """The packaged network with weights still to be loaded."""
    convolutions = [tt.Conv2d(*shape) for shape in (FIRST, SECOND, THIRD, FOURTH)]
    first, second, third, fourth = convolutions
    layers = [tt.Reshape((1, 28, 28)), tt.Rescale(1 / 255), first, tt.relu, second, tt.relu, third, tt.relu]
    layers += [tt.MaxPool2d(2), fourth, tt.relu, tt.Flatten(), tt.Linear(FEATURES, 10), tt.softmax]
    return tt.Sequential(layers)


if __name__ == "__main__":
    digits.main(train, network, "mnist_cnn.safetensors")
