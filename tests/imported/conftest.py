"""A file with encoders of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

ENCODER = """
import torch
from torch import nn

def grey():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3, 2, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )

def colour():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def points():
    torch.manual_seed(0)
    class Points(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 8)
        def forward(self, clouds):
            return self.linear(clouds).relu().mean(dim=1)
    return Points()
"""


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that holds ENCODER."""
    path = tmp_path_factory.mktemp("code") / "mine.py"
    path.write_text(ENCODER)
    return path
