"""Errors planted in the evaluation of a run, its probe on a stream and its pictures are found by its tests."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

SETTINGS = ("wiring/test_settings_of_runs.py::test_every_setting_of_the_evaluation_changes_the_records",)
PROBE_STREAM = ("evaluation/test_probe_stream.py",)
LIE = ("wiring/end_to_end/test_held_out.py::test_lie_derivatives",)
PICTURES = ("evaluation/test_illustrations.py",)
HALVES = ("evaluation/test_halves.py", "evaluation/test_resamples.py")
SAMPLING = ("evidence/test_sampling.py",)
MUTANTS = (
    Mutant(
        "halves are drawn with replacement",
        "evaluation/halves.py",
        "torch.randperm(count, generator=draws)[: count // 2]",
        "torch.randint(count, (count // 2,), generator=draws)",
        HALVES,
    ),
    Mutant(
        "rows of a half are in their own order",
        "evaluation/halves.py",
        "yield order[kept[of[order]]]",
        "yield order[kept[of[order]]].sort().values",
        HALVES,
    ),
    Mutant(
        "augmented views are those of other samples",
        "evaluation/halves.py",
        "places, dimension = rows, _SAMPLES[name]",
        "places, dimension = (rows.sort().values if _SAMPLES[name] else rows), _SAMPLES[name]",
        HALVES,
    ),
    Mutant(
        "a half of a few groups counts as a half",
        "evidence/sampling.py",
        "self._factor[dataset] * float(",
        "float(",
        SAMPLING,
    ),
    Mutant(
        "the interval over samples is that of a normal distribution",
        "evidence/sampling.py",
        "return float(stdtrit(number - 1, (1 + level) / 2))",
        "return float(stdtrit(10**6, (1 + level) / 2))",
        SAMPLING,
    ),
    Mutant(
        "cosines are under the second draw",
        "evaluation/pictures.py",
        "first = self._test_draw[0]",
        "first = self._test_draw[1]",
        PICTURES,
    ),
    Mutant(
        "the nearest images are those of a plain query twice",
        "evaluation/pictures.py",
        "_nearest(embedder.part(COLOURED)[REPRESENTATION], embedded.train)",
        "_nearest(plain, embedded.train)",
        PICTURES,
    ),
    Mutant(
        "neighbours are test samples",
        "evaluation/pictures.py",
        "return _nearest(plain, embedded.train)",
        "return _nearest(plain, embedded.test)",
        PICTURES,
    ),
    Mutant(
        "a curve is in the plane of its last two components",
        "evaluation/pictures.py",
        "plane = centred @ directions[:2].mT",
        "plane = centred @ directions[-2:].mT",
        PICTURES,
    ),
    Mutant(
        "thumbnails are of other training images",
        "evaluation/pictures.py",
        "dataset.train.inputs[train_rows]",
        "dataset.train.inputs[sorted(train_rows)]",
        PICTURES,
    ),
    Mutant(
        "tangents are not normalised as views are",
        "evaluation/derivatives.py",
        "image_tangent(views * std + mean, name) / std",
        "image_tangent(views * std + mean, name)",
        LIE,
    ),
    Mutant(
        "the released probe tests in training mode",
        "evaluation/probe_stream.py",
        "self.backbone.eval()",
        "self.backbone.train()",
        PROBE_STREAM,
    ),
    Mutant(
        "the released probe has one draw for all epochs",
        "evaluation/probe_stream.py",
        'self.seed, "probe", number',
        'self.seed, "probe"',
        PROBE_STREAM,
    ),
    Mutant(
        "snapshots are measured with the last weights",
        "evaluation/run.py",
        "load_encoder_weights(encoder, weights.path, config.sha256())",
        "load_encoder_weights(encoder, task.folder.encoder, config.sha256())",
        ("evaluation/test_snapshots.py",),
    ),
    Mutant(
        "runs are measured under their own augmentations",
        "evaluation/run.py",
        "settings.augmentation_of(config), dataset",
        "config.augmentation, dataset",
        SETTINGS,
    ),
    Mutant(
        "a value that is not finite is recorded",
        "evaluation/records.py",
        "return tuple(_defined(measurement) for measurement in measurements)",
        "return measurements",
        ("evaluation/test_protocols.py",),
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
