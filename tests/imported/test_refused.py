"""What cannot be measured ends in one line that names what, where and what is expected."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from care_bench.imported import Inputs
from tests.imported.foreign import (
    IMAGES,
    RESNET,
    loaded,
    refused,
)

HERE = "tests.imported.test_refused"


class Encoder(nn.Module):
    """Rows of 4 numbers; subclasses do one thing wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Any:
        rows: Tensor = self.linear(images.mean(dim=(2, 3)))
        return self.wrong(rows)

    def wrong(self, rows: Tensor) -> Any:
        return rows


class GivesATuple(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        return rows, rows


class GivesAMap(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        return rows[:, :, None, None]


class DropsARow(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        return rows[1:]


class GivesHalves(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        return rows.half()


class GivesNaN(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        return rows / 0


class HoldsNaN(Encoder):
    def __init__(self) -> None:
        super().__init__()
        nn.init.constant_(self.linear.weight, torch.nan)


class AveragesNaN(Encoder):
    """Its buffer, which no output depends on, holds NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("average", torch.tensor(torch.nan))


class Raises(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        raise RuntimeError("mat1 and mat2 do not fit\nand a second line")


class Counts(Encoder):
    """Its buffer changes with every pass, as BatchNorm's in training mode."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def wrong(self, rows: Tensor) -> Any:
        self.calls += 1
        return rows


class StaysInTraining(Encoder):
    def train(self, mode: bool = True) -> StaysInTraining:
        super().train(True)
        return self


class Noisy(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        return rows + torch.rand(())


def leaves() -> nn.Module:
    raise SystemExit(3)


class IsLazy(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.lazy = nn.LazyLinear(4)


class GivesZero(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        return 0 * rows


class GivesHuge(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        return 1e30 * rows


class Leaves(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        raise SystemExit(0)


class GivesNothing(Encoder):
    def wrong(self, rows: Tensor) -> Any:
        return rows[:, :0]


def no_module() -> int:
    return 3


def fails() -> nn.Module:
    raise OSError("no such drive")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GivesATuple", "layer 'pooled' gives a tuple; expected a tensor"),
        ("GivesAMap", "layer 'pooled' gives a tensor (4, 4, 1, 1); expected (n, d)"),
        ("DropsARow", "gives a tensor (3, 4) for 4 inputs; expected 4 rows"),
        ("GivesHalves", "gives float16; expected float32"),
        ("GivesNaN", "gives NaN or infinity"),
        ("HoldsNaN", "module.linear.weight holds NaN; expected"),
        ("AveragesNaN", "module.average holds NaN; expected"),
        ("Raises", "cannot take inputs (4, 3, 32, 32): RuntimeError: mat1 and mat2 do not fit at test_refused.py:"),
        ("Counts", "module.calls changes in evaluation mode"),
        ("StaysInTraining", "module stays in training mode"),
        ("no_module", "returned int; expected"),
        ("leaves", "failed: SystemExit: 3"),
        ("Leaves", "cannot take inputs (4, 3, 32, 32): SystemExit: 0"),
        ("GivesZero", "gives zero for every input; expected rows that have a direction"),
        ("GivesHuge", "gives numbers whose squares overflow"),
        ("IsLazy", "has lazy layers, whose weights have no shape yet"),
        ("GivesNothing", "gives a tensor (4, 0); expected at least one number"),
        ("fails", "failed: OSError: no such drive at test_refused.py:"),
        ("Encodr", "unknown function 'Encodr': did you mean 'Encoder'?"),
    ],
)
def test_an_encoder_that_cannot_be_measured(name: str, said: str) -> None:
    assert said in refused(encoder=f"{HERE}:{name}")


def test_one_that_is_not_deterministic_is_measured_and_said() -> None:
    torch.manual_seed(0)
    found = loaded(encoder=f"{HERE}:Noisy")
    assert found.provenance["difference_of_two_passes"] > 0
    assert any("not deterministic" in line for line in found.said)


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        ("timm:resnet19", "unknown timm model 'resnet19': did you mean 'resnet18', '"),
        ("torchvision:resnet19", "unknown torchvision model 'resnet19': did you mean 'resnet18', '"),
        ("torchvision:squeezenet1_1", "no classifier to leave out"),
        ("missing.py:build", "no such file missing.py"),
        ("no_such_package:build", "module 'no_such_package' cannot be imported (encoders are timm:NAME"),
        ("resnet18", "expected timm:NAME"),
        ("timm:", "expected timm:NAME"),
        ("run:nowhere", "nowhere holds no run"),
    ],
)
def test_an_unknown_encoder(encoder: str, said: str) -> None:
    assert said in refused(encoder=encoder)


def test_an_unknown_layer_with_the_nearest_names() -> None:
    assert "unknown layer 'layer5': did you mean layer" in refused(encoder=RESNET, layers=["layer5"])


def test_a_projector_without_a_checkpoint() -> None:
    assert "layer 'projector' cannot be measured" in refused(encoder=RESNET, layers=["projector"])


@pytest.mark.parametrize(
    ("inputs", "keys", "said"),
    [
        (Inputs("image", (4, 32, 32), (0.5,) * 4, (0.5,) * 4), {}, "the images have 4 channels, the encoder takes 3"),
        (IMAGES, {"mean": [0.5], "std": [0.5] * 3}, "mean has 1 numbers, std 3"),
        (IMAGES, {"mean": [0.5] * 3}, "mean without std; expected both or none"),
        (IMAGES, {"std": [0.5] * 3}, "std without mean; expected both or none"),
        (IMAGES, {"mean": [127.5], "std": [0.5]}, "mean: 127.5, and images are within 0 and 1; expected statistics of"),
        (IMAGES, {"mean": [0.5], "std": [60.0]}, "std: 60.0, and images are within 0 and 1; expected statistics of"),
        (IMAGES, {"mean": [-0.5], "std": [0.5]}, "mean: -0.5, and images are within 0 and 1"),
        (IMAGES, {"mean": [0.5], "std": [0.0]}, "std.0 = 0.0: Input should be greater than 0"),
        (IMAGES, {"size": 0}, "size = 0"),
        (IMAGES, {"layers": ["pooled", "pooled"]}, "a layer is repeated"),
        (IMAGES, {"layers": [""]}, "a layer has no name"),
        (IMAGES, {"prefix": "net."}, "prefix is about a checkpoint, and there is none"),
        (IMAGES, {"allow_partial": True}, "allow_partial is about a checkpoint"),
        (IMAGES, {"seed": 2**64}, "seed = 18446744073709551616"),
        (Inputs("point_cloud", (10, 3)), {"size": 32}, "size is for images, these are point clouds"),
        (Inputs("point_cloud", (10, 3)), {}, "cannot take inputs (4, 10, 3)"),
    ],
)
def test_inputs_that_do_not_fit(inputs: Inputs, keys: dict[str, Any], said: str) -> None:
    assert said in refused(inputs, encoder=RESNET, **keys)
