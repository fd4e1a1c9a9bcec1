"""Splits that stay on disk: the next batch is prefetched, and nothing else changes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from care_bench.config import RunConfig
from care_bench.data import Split, load
from care_bench.training import batches as module
from care_bench.training.batches import Batches
from care_bench.training.pretrain import pretrain

Make = Callable[..., RunConfig]
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 3, 5, 7), dtype=np.uint8)


@pytest.fixture
def advice(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bytes that the system was told will be needed."""
    content: list[bytes] = []

    def note(descriptor: int, offset: int, length: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_WILLNEED
        content.append(os.pread(descriptor, length, offset))

    monkeypatch.setattr(os, "posix_fadvise", note)
    return content


def split_in(folder: Path) -> Split:
    np.save(folder / "inputs.npy", IMAGES)
    return Split(np.load(folder / "inputs.npy", mmap_mode="r"), {})


def batches_of(split: Split) -> Batches:
    return Batches(split, 4, "images", 0, torch.device("cpu"))


def test_the_samples_of_the_given_rows_are_prefetched(
    tmp_path: Path, advice: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESIDENT_BYTES", IMAGES.nbytes - 1)
    batches = batches_of(split_in(tmp_path))
    batches.prefetch(torch.tensor([3, 19, 0]))
    assert advice == [IMAGES[row].tobytes() for row in (3, 19, 0)]
    assert torch.equal(batches.take(torch.tensor([3, 19, 0])), torch.from_numpy(IMAGES[[3, 19, 0]]))


def test_a_split_on_the_device_is_not_prefetched(
    tmp_path: Path, advice: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESIDENT_BYTES", IMAGES.nbytes)
    batches_of(split_in(tmp_path)).prefetch(torch.tensor([3]))
    assert advice == []


@pytest.mark.parametrize(
    ("kind", "free", "most"), [("cpu", 10**12, 2**30), ("cuda", 80 * 2**30, 20 * 2**30), ("cuda", 2**30, 2**30)]
)
def test_a_gpu_keeps_a_split_of_a_quarter_of_its_free_memory(
    monkeypatch: pytest.MonkeyPatch, kind: str, free: int, most: int
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    assert module._most_resident(torch.device(kind)) == most


def test_a_replaced_or_unreadable_file_is_ignored_by_the_prefetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    batches = batches_of(split_in(tmp_path))
    (tmp_path / "inputs.npy").unlink()
    batches.prefetch(torch.tensor([3]))
    assert torch.equal(batches.take(torch.tensor([3])), torch.from_numpy(IMAGES[[3]]))


def test_without_posix_fadvise_samples_are_read_when_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    monkeypatch.delattr(os, "posix_fadvise")
    batches = batches_of(split_in(tmp_path))
    batches.prefetch(torch.tensor([3]))
    assert torch.equal(batches.take(torch.tensor([3])), torch.from_numpy(IMAGES[[3]]))


def test_training_prefetches_the_next_batch_and_ends_in_the_same_bits(
    tiny: Make, data: Path, tmp_path: Path, advice: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = pretrain(tiny(dataset="proteins"), data, tmp_path / "resident")
    assert advice == []
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    taken: list[list[bytes]] = []
    take = Batches.take

    def watch(batches: Batches, rows: torch.Tensor) -> torch.Tensor:
        samples = take(batches, rows)
        taken.append([sample.numpy().tobytes() for sample in samples])
        return samples

    monkeypatch.setattr(Batches, "take", watch)
    mapped = pretrain(tiny(dataset="proteins"), data, tmp_path / "mapped")
    assert len(taken) == 7
    prefetched = [advice[start : start + 32] for start in range(0, len(advice), 32)]
    assert prefetched[:-1] == taken[1:]
    assert mapped.encoder.read_bytes() == resident.encoder.read_bytes()
    inputs = load("proteins", data).train.inputs
    assert {clouds for batch in prefetched for clouds in batch} <= {
        np.ascontiguousarray(row).tobytes() for row in inputs
    }


@pytest.mark.parametrize("resident", [2**30, 0])
def test_an_epoch_visits_every_sample_at_most_once_and_the_next_in_another_order(
    resident: int, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESIDENT_BYTES", resident)
    split = load("proteins", data).train
    batches = Batches(split, 50, "proteins", 3, torch.device("cpu"))
    assert batches.per_epoch == len(split.inputs) // 50 == 5
    rows = {np.ascontiguousarray(cloud).tobytes(): i for i, cloud in enumerate(split.inputs)}
    epochs = [
        [[rows[cloud.numpy().tobytes()] for cloud in batches.take(batches.rows(5 * e + s))] for s in range(5)]
        for e in range(2)
    ]
    for epoch in epochs:
        assert max(Counter(index for batch in epoch for index in batch).values()) == 1
    assert epochs[0] != epochs[1]
    assert [rows[cloud.numpy().tobytes()] for cloud in batches.take(batches.rows(2))] == epochs[0][2], (
        "a step is the same when taken out of order"
    )
