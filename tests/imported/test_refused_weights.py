"""Files of weights that cannot be used end in one line; what is allowed is recorded."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from tests.imported.foreign import (
    RESNET,
    loaded,
    passed,
    pixels,
    prefixed,
    refused,
    saved,
    small,
    trained_resnet,
)

HERE = "tests.imported.test_refused_weights"


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


def test_a_head_that_cannot_be_rebuilt(tmp_path: Path) -> None:
    head = {"projector.0.weight": torch.zeros(8, 99)}
    path = saved(tmp_path / "head.pth", {**prefixed("backbone.", trained_resnet()), **head})
    line = refused(encoder=RESNET, weights=path, layers=["projector"])
    assert "projector.: its layer 0 takes 99 features, expected 96" in line
    assert list(passed(loaded(encoder=RESNET, weights=path), pixels())) == ["pooled"]
