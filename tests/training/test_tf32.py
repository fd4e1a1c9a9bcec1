"""Training and evaluation of a run allow TF32 exactly where its configuration does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from care_bench.config import EvaluationConfig
from care_bench.evaluation.run import evaluate
from care_bench.training.pretrain import pretrain

from .conftest import Make


class BegunError(Exception):
    """Ends the work where it begins."""


@pytest.mark.parametrize("tf32", [False, True])
def test_training_and_evaluation_pass_the_choice_on(
    tf32: bool, tiny: Make, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[bool] = []

    @contextmanager
    def noted(deterministic: bool, threads: int, device: torch.device, *, tf32: bool) -> Iterator[None]:
        passed.append(tf32)
        yield

    @contextmanager
    def ended(*arguments: Any, tf32: bool) -> Iterator[None]:
        passed.append(tf32)
        raise BegunError
        yield

    monkeypatch.setattr("care_bench.training.pretrain.reproducible", noted)
    monkeypatch.setattr("care_bench.training.pretrain.tf32_allowed", lambda device: tf32)
    config = tiny({"name": "simclr"}, steps=1, tf32=tf32)
    folder = pretrain(config, data, tmp_path / "run")
    assert folder.check(config).tf32 == tf32
    monkeypatch.setattr("care_bench.evaluation.run.reproducible", ended)
    with pytest.raises(BegunError):
        evaluate(folder.path, data, EvaluationConfig(augmentations=2, classifier_seeds=1))
    assert passed == [tf32, tf32]
