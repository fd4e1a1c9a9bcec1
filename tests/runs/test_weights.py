"""Weights as files: equal weights give equal files, and a file that cannot be loaded is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from care_bench.errors import CareBenchError
from care_bench.runs.weights import encoder_bytes, load_encoder_weights

CONFIG = "c0ffee" * 10


def network(outputs: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(4, outputs), nn.BatchNorm1d(outputs))


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(network(), CONFIG))
    return path


def test_weights_and_buffers_come_back_and_give_the_same_file(tmp_path: Path) -> None:
    source, target = network(), network()
    source(torch.randn(5, 4))  # changes the buffers
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(source, CONFIG))
    load_encoder_weights(target, path, CONFIG)
    expected = source.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in target.state_dict().items())
    assert encoder_bytes(target, CONFIG) == path.read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "foreign", "missing", "named pipe"])
def test_unusable_encoders_are_named(damage: str, encoder: Path) -> None:
    content = encoder.read_bytes()
    encoder.unlink()
    if damage == "named pipe":
        os.mkfifo(encoder)
    elif damage != "missing":
        encoder.write_bytes(content[:-40] if damage == "truncated" else b"PNG, perhaps" * 10)
    with pytest.raises(CareBenchError, match=f"{encoder}.*; expected the safetensors file of an encoder$"):
        load_encoder_weights(network(), encoder, CONFIG)


def test_an_encoder_of_another_config_or_model_is_refused(encoder: Path) -> None:
    with pytest.raises(CareBenchError, match=f"belongs to config {CONFIG[:12]}; this run has config 123456789012"):
        load_encoder_weights(network(), encoder, "1234567890123")
    with pytest.raises(CareBenchError, match=r"does not fit the model of its config: .*size mismatch") as caught:
        load_encoder_weights(network(outputs=2), encoder, CONFIG)
    assert "\n" not in str(caught.value)
    with pytest.raises(CareBenchError, match=r"size mismatch: 0\.bias is torch\.float32 .*64"):
        load_encoder_weights(network().double(), encoder, CONFIG)
