"""Every step, view, seed and data set has draws of its own; within a view, samples share what the method says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from care_bench.data import PreparedDataset, Split
from care_bench.methods import PLAIN
from care_bench.runs.folder import RunFolder
from care_bench.training.batches import Batches
from care_bench.training.pretrain import make_views
from care_bench.training.session import Session
from tests.wiring.conftest import BATCH, Make, Open

Settings = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("dataset", ["digits", "proteins"])
def test_no_draw_is_used_twice(dataset: str, run: Make, method: Settings, opened: Open) -> None:
    """Over four steps of two epochs, four views and two seeds."""
    vectors = []
    for seed in (0, 1):
        session = opened(run(method("care"), dataset=dataset, seed=seed))
        for session.step in range(4):
            for view in make_views(session):
                assert view.parameters is not None
                vectors.append(view.parameters.to_vector().flatten())
    drawn = torch.stack(vectors)
    assert len(drawn) == 2 * 4 * 4
    assert len(drawn.unique(dim=0)) == len(drawn)


def test_another_data_set_has_other_draws(run: Make, method: Settings, opened: Open, images: PreparedDataset) -> None:
    config = run(method("simclr"))
    session = opened(config)
    session.batches.identity = ("other", 0)
    first, _ = make_views(session)
    session.config = config.model_copy(update={"dataset": "tinted_digits"})
    other, _ = make_views(session)
    assert not torch.equal(first.parameters.to_vector(), other.parameters.to_vector())  # type: ignore[union-attr]


def test_a_view_is_the_augmentation_of_its_own_samples(
    run: Make, method: Settings, opened: Open, images: PreparedDataset
) -> None:
    session = opened(run(method("simclr")))
    for session.step in range(3):
        samples = torch.from_numpy(images.train.inputs[session.batches.rows(session.step).numpy()])
        for view in make_views(session):
            for i, sample in enumerate(samples):
                alone = session.augmentation.apply(sample[None], view.parameters[i])  # type: ignore[index]
                torch.testing.assert_close(view.inputs[i], alone[0], rtol=0, atol=1e-6)


def test_an_epoch_visits_samples_once_in_an_order_of_its_own(run: Make, method: Settings, opened: Open) -> None:
    orders = set()
    for seed in (0, 1):
        session = opened(run(method("simclr"), seed=seed))
        for epoch in range(2):
            steps = [session.batches.rows(2 * epoch + step).tolist() for step in range(2)]
            assert len({*steps[0], *steps[1]}) == 2 * BATCH
            orders.add((*steps[0], *steps[1]))
    assert len(orders) == 4
    assert all(list(order) != sorted(order) for order in orders)


def test_an_epoch_of_whole_batches_leaves_no_sample_out(images: PreparedDataset) -> None:
    whole = Split(images.train.inputs[: 2 * BATCH], {})
    batches = Batches(whole, BATCH, "digits", 0, torch.device("cpu"))
    for epoch in range(2):
        visited = [batches.rows(2 * epoch + step).tolist() for step in range(2)]
        assert [len(rows) for rows in visited] == [BATCH, BATCH]
        assert sorted(visited[0] + visited[1]) == list(range(2 * BATCH))


CHUNKS = [
    (("care",), [8, 8, 2, 2]),
    (("care", "byol"), [8, 8, 2, 2]),
    (("equimod",), [PLAIN, 8, 8]),
    (("equivariance",), [4, 4]),
    (("uniformity_equivariance",), [8, 2, 2]),
]


@pytest.mark.parametrize(("names", "draws"), CHUNKS)
def test_chunks_share_a_draw_and_samples_do_not(
    names: tuple[str, ...], draws: list[int], run: Make, method: Settings, opened: Open
) -> None:
    views = make_views(opened(run(method(*names))))
    found = []
    for view in views:
        vectors = None if view.parameters is None else view.parameters.to_vector()
        found.append(PLAIN if vectors is None else len(vectors.unique(dim=0)))
        if vectors is not None:
            chunks = vectors.reshape(found[-1], -1, vectors.shape[1])
            assert torch.equal(chunks, chunks[:, :1].expand_as(chunks)), "chunks are consecutive samples"
    assert found == draws


def test_the_released_code_has_one_draw_for_the_batch(run: Make, method: Settings, opened: Open) -> None:
    views = make_views(opened(run(method("care", fidelity="released-code"))))
    assert [len(view.parameters.to_vector().unique(dim=0)) for view in views] == [8, 8, 1, 1]  # type: ignore[union-attr]


def test_samples_without_a_label_are_trained_on(
    run: Make, method: Settings, images: PreparedDataset, tmp_path: Any
) -> None:
    none = {"class": np.full(len(images.train), -1)}
    unlabelled = replace(images, train=replace(images.train, labels=none))
    session = Session.open(run(method("simclr")), unlabelled, RunFolder(tmp_path / "run"))
    with session.log:
        assert len(session.batches.inputs) == len(images.train)
