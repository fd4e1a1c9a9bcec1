"""What cannot be measured ends in one line that names what, where and what is expected."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from care_bench.errors import CareBenchError
from care_bench.imported import Inputs
from tests.imported.foreign import IMAGES, RESNET, loaded, passed, pixels, prefixed, saved, small, trained_resnet

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


def refused(inputs: Inputs = IMAGES, **keys: Any) -> str:
    with pytest.raises(CareBenchError) as raised:
        loaded(inputs, **keys)
    line = str(raised.value)
    assert "\n" not in line
    return line


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


class Attack:
    def __reduce__(self) -> Any:
        return print, ("executed",)


def test_a_checkpoint_that_executes_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "bad.pth", {"model": Attack()})
    assert "would execute Python code when it is loaded, which is refused" in refused(encoder=RESNET, weights=path)
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Attack()))
    assert "raw.pth" in refused(encoder=RESNET, weights=str(tmp_path / "raw.pth"))
    assert "executed" not in capsys.readouterr().out


def test_damaged_files(tmp_path: Path) -> None:
    path = Path(saved(tmp_path / "cut.pth", {"model": trained_resnet().state_dict()}))
    path.write_bytes(path.read_bytes()[:5000])
    assert "cut.pth" in refused(encoder=RESNET, weights=str(path))
    (tmp_path / "cut.safetensors").write_bytes(b"\x10" * 40)
    assert "cut.safetensors" in refused(encoder=RESNET, weights=str(tmp_path / "cut.safetensors"))
    assert "missing.pth" in refused(encoder=RESNET, weights=str(tmp_path / "missing.pth"))
    assert "holds no tensors" in refused(encoder=RESNET, weights=saved(tmp_path / "none.pth", {"epoch": 3}))


def test_a_flipped_bit_and_weights_of_whole_numbers(tmp_path: Path) -> None:
    path = Path(saved(tmp_path / "flipped.pth", trained_resnet().state_dict()))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "does not match its checksum" in refused(encoder=RESNET, weights=str(path))
    whole = {name: (100 * one).to(torch.int8) for name, one in trained_resnet().state_dict().items()}
    line = refused(encoder=RESNET, weights=saved(tmp_path / "int8.pth", whole))
    assert "holds weights of another architecture" in line


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    tensors = trained_resnet().state_dict()
    tensors["layer1.0.conv1.weight"][0, 0, 0, 0] = torch.nan
    line = refused(encoder=RESNET, weights=saved(tmp_path / "nan.pth", tensors))
    assert "layer1.0.conv1.weight holds NaN or infinity" in line


def deeper() -> nn.Module:
    network: nn.Module = timm.create_model("test_resnet", layers=(1, 2, 1, 1), num_classes=0)
    return network


def test_another_architecture(tmp_path: Path) -> None:
    path = saved(tmp_path / "small.pth", prefixed("net.", small()))
    assert "holds weights of another architecture" in refused(encoder=RESNET, weights=path)
    path = saved(tmp_path / "resnet.pth", trained_resnet().state_dict())
    line = refused(encoder=f"{HERE}:deeper", weights=path)
    assert f"tensors of {HERE}:deeper, under 'no prefix'" in line
    assert "or --allow-partial" in line


def test_a_partial_file_only_if_allowed_and_recorded(tmp_path: Path) -> None:
    tensors = trained_resnet().state_dict()
    del tensors["layer4.0.conv2.weight"]
    tensors["conv1.0.weight"] = torch.zeros(64, 3, 5, 5)
    path = saved(tmp_path / "part.pth", tensors)
    line = refused(encoder=RESNET, weights=path)
    assert "2 are missing or of another shape: layer4.0.conv2.weight, conv1.0.weight is float32 (64, 3, 5, 5)" in line
    found = loaded(encoder=RESNET, weights=path, allow_partial=True)
    assert (found.provenance["partial"], found.provenance["missing"]) == (True, 2)
    assert any("PARTIAL: 2 tensors keep their initial values" in line for line in found.said)


def test_a_prefix_that_is_not_there(tmp_path: Path) -> None:
    path = saved(tmp_path / "plain.pth", prefixed("model.net.", trained_resnet()))
    line = refused(encoder=RESNET, weights=path, prefix="encoder")
    assert "nothing of the encoder begins with 'encoder'; its names begin with model.net" in line


def test_half_precision_weights_are_used_as_float32(tmp_path: Path) -> None:
    path = saved(tmp_path / "half.pth", {name: one.half() for name, one in trained_resnet().state_dict().items()})
    assert passed(loaded(encoder=RESNET, weights=path), pixels())["pooled"].dtype == torch.float32


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


def test_a_head_that_cannot_be_rebuilt(tmp_path: Path) -> None:
    head = {"projector.0.weight": torch.zeros(8, 99)}
    path = saved(tmp_path / "head.pth", {**prefixed("backbone.", trained_resnet()), **head})
    line = refused(encoder=RESNET, weights=path, layers=["projector"])
    assert "projector.: its layer 0 takes 99 features, expected 96" in line
    assert list(passed(loaded(encoder=RESNET, weights=path), pixels())) == ["pooled"]
