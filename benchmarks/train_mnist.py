"""Train the model that comes with the package, the chapter's 784-50-100-10 network, with PyTorch.

    pip install "tinytensor-nn[train]"
    python -m benchmarks.train_mnist --validate    # what the choices were made by; writes nothing
    python -m benchmarks.train_mnist               # writes tinytensor/models/mnist_mlp.safetensors

`benchmarks/digits.py` says which images it sees and how they are distorted. Shifting, turning, stretching and
bending, and the average of the weights over the last thousand steps, were chosen by `--validate`.
"""

from torch import Tensor, nn

import tinytensor as tt
from benchmarks import digits


def train(images: Tensor, labels: Tensor) -> nn.Module:
    """The network, its layers at the positions that they have in `network`."""
    linear = [nn.Linear(784, 50), nn.Linear(50, 100), nn.Linear(100, 10)]
    for layer in linear:
        nn.init.xavier_uniform_(layer.weight, gain=2.0)
        nn.init.zeros_(layer.bias)
    first, second, third = linear
    model = nn.Sequential(nn.Flatten(), nn.Identity(), first, nn.Sigmoid(), second, nn.Sigmoid(), third)
    return digits.fit(model, images, labels, epochs=60, rate=5e-3)


def network(trained: nn.Module) -> tt.Sequential:
    """The same as a tinytensor model: from raw pixels to probabilities."""
    linear = [tt.Linear(784, 50), tt.Linear(50, 100), tt.Linear(100, 10)]
    first, second, third = linear
    layers = [tt.Flatten(), tt.Rescale(1 / 255), first, tt.sigmoid, second, tt.sigmoid, third, tt.softmax]
    model = tt.Sequential(layers)
    model.load_state_dict({name: value.numpy() for name, value in trained.state_dict().items()})
    return model


if __name__ == "__main__":
    digits.main(train, network, "mnist_mlp.safetensors")
