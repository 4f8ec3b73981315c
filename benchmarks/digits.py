"""What the trained models of the package have in common: the images, their distortions, the training loop.

Training starts at image 5,848, because the embedded sample lies before it. `--validate` holds back the last
5,000 of the rest. The choices of each model were made by these; the test set was looked at once, at the end.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import tinytensor as tt

__all__ = ["SEED", "fit", "main"]

SEED = 20260
FIRST, VALIDATION = 5_848, 5_000
BATCH, CHUNK = 128, 16_384
WEIGHT_DECAY = 1e-2
DEGREES, SHIFT, STRETCH = 9.0, 1.0, 0.10  # largest turn, pixels, factor
BEND = 0.5  # standard deviation of a knot's shift in pixels


def distorted(images: Tensor, chance: torch.Generator) -> Tensor:
    """Each image (n, 28, 28) turned, scaled, sheared, shifted and bent by random amounts."""
    n, pixel, device = len(images), 2 / 28, images.device  # grid_sample's axes run from -1 to 1

    def uniform(most: float) -> Tensor:
        return (2 * torch.rand(n, generator=chance, device=device) - 1) * most

    angle, scale, shear = uniform(math.radians(DEGREES)), 1 + uniform(STRETCH), uniform(STRETCH)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [[scale * cos, shear - sin, uniform(SHIFT * pixel)], [scale * sin, cos, uniform(SHIFT * pixel)]]
    affine = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    grid = functional.affine_grid(affine, [n, 1, 28, 28], align_corners=False)
    knots = torch.randn(n, 2, 5, 5, generator=chance, device=device) * BEND * pixel
    bent = functional.interpolate(knots, size=(28, 28), mode="bicubic", align_corners=True)
    grid = grid + bent.permute(0, 2, 3, 1)
    return functional.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


def fit(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, rate: float) -> nn.Module:
    """The model, trained on the device of the images; its weights are averaged over about 1,000 steps.

    The model takes pixels from 0 to 1, (n, 28, 28), and gives logits. The learning rate falls from `rate` to
    zero along a cosine. Every epoch distorts every image anew.
    """
    device = images.device
    chance = torch.Generator(device).manual_seed(SEED)
    model = model.to(device).train()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    steps = epochs * sum(-(-len(chunk) // BATCH) for chunk in torch.arange(len(images)).split(CHUNK))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    begin = time.perf_counter()
    for epoch in range(1, epochs + 1):
        for chunk in torch.randperm(len(images), generator=chance, device=device).split(CHUNK):
            pixels = distorted(images[chunk].float() / 255, chance)
            for x, y in zip(pixels.split(BATCH), labels[chunk].split(BATCH), strict=True):
                loss = functional.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                average.update_parameters(model)
        print(f"epoch {epoch}: loss {loss.item():.3f}, {time.perf_counter() - begin:.0f} s", flush=True)
    return cast(nn.Module, average.module.cpu().eval())


def accuracy(model: tt.Sequential, images: np.ndarray, labels: np.ndarray) -> str:
    """The part of the digits that the model reads right, in percent."""
    right = (model.predict(images).argmax(axis=1) == labels).sum()
    return f"{100 * right / len(labels):.2f}% ({right:,} of {len(labels):,})"


def main(
    train: Callable[[Tensor, Tensor], nn.Module], network: Callable[[nn.Module], tt.Sequential], file: str
) -> None:
    """Train, convert to a tinytensor model and print its accuracy; save the model if it saw all images."""
    parser = argparse.ArgumentParser(description=f"Train tinytensor/models/{file}.")
    parser.add_argument("--validate", action="store_true", help="hold back 5,000 images; write nothing")
    parser.add_argument("--data", metavar="DIR", help="a folder with MNIST's four IDX files")
    parser.add_argument("--device", default="cpu", help="where PyTorch trains (default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)  # the order of sums, and so the result, depends on the number of threads
    torch.manual_seed(SEED)
    images, labels = (array[FIRST:] for array in tt.datasets.mnist("train", args.data))
    known = slice(-VALIDATION if args.validate else None)
    on_device = [torch.from_numpy(array[known]).to(args.device) for array in (images, labels)]
    model = network(train(on_device[0], on_device[1].long()))
    if args.validate:
        print("validation:", accuracy(model, images[-VALIDATION:], labels[-VALIDATION:]))
        return
    path = Path(tt.__file__).parent / "models" / file
    model.save(path)
    for split, data in [("sample", None), ("test", args.data)]:
        print(f"{split}:", accuracy(model, *tt.datasets.mnist(split, data)))
    print(f"{path.name}: {path.stat().st_size:,} bytes")
