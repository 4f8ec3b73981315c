"""Train the model that comes with the package, the chapter's 784-50-100-10 network, with PyTorch.

    pip install "tinytensor-nn[train]"
    python -m benchmarks.train_mnist --validate    # what the choices below were made by; writes nothing
    python -m benchmarks.train_mnist               # writes tinytensor/models/mnist_mlp.safetensors

The embedded sample lies within the first 5,848 training images, so training starts after them. `--validate`
holds back the last 5,000 of the rest. Shifting, turning, stretching and bending every image anew in each
epoch, and the average of the weights over the last thousand steps, were chosen by it: FIGURES.
The test set was looked at once, when all was chosen.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import tinytensor as tt

SEED = 20260
FIRST, VALIDATION = 5_848, 5_000
EPOCHS, BATCH, CHUNK = 60, 128, 16_384
DEGREES, SHIFT, STRETCH, BEND = (
    9.0,
    1.0,
    0.10,
    0.5,
)  # largest turn, pixels, factor; pixels, standard deviation


def distorted(images: Tensor, chance: torch.Generator) -> Tensor:
    """Each image (n, 28, 28) turned, scaled, sheared, shifted and bent by random amounts."""
    n, pixel = len(images), 2 / 28  # grid_sample's axes run from -1 to 1

    def uniform(most: float) -> Tensor:
        return (2 * torch.rand(n, generator=chance) - 1) * most

    angle, scale, shear = uniform(math.radians(DEGREES)), 1 + uniform(STRETCH), uniform(STRETCH)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [[scale * cos, shear - sin, uniform(SHIFT * pixel)], [scale * sin, cos, uniform(SHIFT * pixel)]]
    affine = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    grid = functional.affine_grid(affine, [n, 1, 28, 28], align_corners=False)
    knots = torch.randn(n, 2, 5, 5, generator=chance) * BEND * pixel
    bent = functional.interpolate(knots, size=(28, 28), mode="bicubic", align_corners=True)
    grid = grid + bent.permute(0, 2, 3, 1)
    return functional.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


def train(images: Tensor, labels: Tensor) -> nn.Module:
    """The network, its layers at the positions that they have in `network`."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # the order of sums, and so the result, depends on the number of threads
    chance = torch.Generator().manual_seed(SEED)
    linear = [nn.Linear(784, 50), nn.Linear(50, 100), nn.Linear(100, 10)]
    for layer in linear:
        nn.init.xavier_uniform_(layer.weight, gain=2.0)
        nn.init.zeros_(layer.bias)
    first, second, third = linear
    model = nn.Sequential(nn.Flatten(), nn.Identity(), first, nn.Sigmoid(), second, nn.Sigmoid(), third)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    steps = EPOCHS * sum(-(-len(chunk) // BATCH) for chunk in torch.arange(len(images)).split(CHUNK))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    begin = time.perf_counter()
    for epoch in range(1, EPOCHS + 1):
        for chunk in torch.randperm(len(images), generator=chance).split(CHUNK):
            pixels = distorted(images[chunk].float() / 255, chance)
            for x, y in zip(pixels.split(BATCH), labels[chunk].split(BATCH), strict=True):
                loss = functional.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                average.update_parameters(model)
        print(f"epoch {epoch}: loss {loss.item():.3f}, {time.perf_counter() - begin:.0f} s", flush=True)
    return average.module


def network(trained: nn.Module) -> tt.Sequential:
    """The same as a tinytensor model: from raw pixels to probabilities."""
    linear = [tt.Linear(784, 50), tt.Linear(50, 100), tt.Linear(100, 10)]
    first, second, third = linear
    layers = [tt.Flatten(), tt.Rescale(1 / 255), first, tt.sigmoid, second, tt.sigmoid, third, tt.softmax]
    model = tt.Sequential(layers)
    model.load_state_dict({name: value.numpy() for name, value in trained.state_dict().items()})
    return model


def accuracy(model: tt.Sequential, images: np.ndarray, labels: np.ndarray) -> str:
    """The part of the digits that the model reads right, in percent."""
    right = (model.predict(images).argmax(axis=1) == labels).sum()
    return f"{100 * right / len(labels):.2f}% ({right:,} of {len(labels):,})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--validate", action="store_true", help="hold back 5,000 images; write nothing")
    parser.add_argument("--data", metavar="DIR", help="a folder with MNIST's four IDX files")
    args = parser.parse_args()
    images, labels = (array[FIRST:] for array in tt.datasets.mnist("train", args.data))
    known = slice(-VALIDATION if args.validate else None)
    model = network(train(torch.from_numpy(images[known]), torch.from_numpy(labels[known]).long()))
    if args.validate:
        print("validation:", accuracy(model, images[-VALIDATION:], labels[-VALIDATION:]))
        return
    path = Path(tt.__file__).parent / "models" / "mnist_mlp.safetensors"
    model.save(path)
    for split, data in [("sample", None), ("test", args.data)]:
        print(f"{split}:", accuracy(model, *tt.datasets.mnist(split, data)))
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
