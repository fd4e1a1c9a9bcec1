"""Train a ResNet-18 of torchvision with lightly's SimCLR or Barlow Twins, or with labels, and save its checkpoint.

    python docs/examples/train_simclr.py digits simclr results/zoo/digits-simclr.pth --steps 150

The checkpoint is one that `care-bench measure --encoder torchvision:resnet18 --weights FILE` reads.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightly.loss import BarlowTwinsLoss, NTXentLoss
from lightly.models.modules import BarlowTwinsProjectionHead, SimCLRProjectionHead
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import v2

from care_bench.data import load

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
SIDE = 32


class Model(nn.Module):
    """A backbone as lightly's examples build it, and a head."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*list(models.resnet18(weights=None).children())[:-1])
        self.projection_head = head

    def forward(self, images: Tensor) -> Tensor:
        """Return the projection (n, d)."""
        projected: Tensor = self.projection_head(self.backbone(images).flatten(start_dim=1))
        return projected


METHODS: dict[str, tuple[Any, Any]] = {
    "simclr": (lambda: SimCLRProjectionHead(512, 512, 128), lambda: NTXentLoss(temperature=0.5)),
    "barlow_twins": (lambda: BarlowTwinsProjectionHead(512, 512, 512), BarlowTwinsLoss),
    "supervised": (lambda: nn.Linear(512, 10), nn.CrossEntropyLoss),
}


def train(dataset: str, method: str, out: Path, steps: int, data: Path, batch: int = 128) -> None:
    """Train for some steps on the training split, and save the weights of backbone and head."""
    torch.manual_seed(0)
    split = load(dataset, data).train
    images = torch.from_numpy(np.array(split.inputs)).float().div(255).expand(-1, 3, -1, -1)
    labels = torch.from_numpy(np.array(split.labels["class"]))
    view = v2.Compose([v2.RandomResizedCrop(SIDE, scale=(0.3, 1.0)), v2.ColorJitter(0.4, 0.4), v2.GaussianBlur(3)])
    head, loss = (make() for make in METHODS[method])
    model = Model(head)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def seen(rows: Tensor) -> Tensor:
        views = torch.stack([view(images[row]) for row in rows])
        return (views - MEAN[:, None, None]) / STD[:, None, None]

    for step in range(1, steps + 1):
        rows = torch.randint(len(images), (batch,))
        first = model(seen(rows))
        value = loss(first, labels[rows]) if method == "supervised" else loss(first, model(seen(rows)))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if step % 25 == 0:
            print(f"step {step}/{steps}: loss {value.item():.3f}", flush=True)  # noqa: T201
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": model.state_dict(), "method": method}, out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="a prepared data set of images with classes")
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--data", type=Path, default=Path("results/data"))
    chosen = parser.parse_args()
    train(chosen.dataset, chosen.method, chosen.out, chosen.steps, chosen.data)
