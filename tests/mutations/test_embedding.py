"""Errors planted in what is embedded, and in its draws and labels, are found by the tests of the evaluation."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

EQUIVARIANCE = ("wiring/end_to_end/test_equivariance.py::test_equivariance",)
COMPOSITION = ("wiring/end_to_end/test_equivariance.py::test_composition",)
CLOUDS = ("wiring/end_to_end/test_point_clouds.py",)
SETTINGS = ("wiring/test_settings_of_runs.py::test_every_setting_of_the_evaluation_changes_the_records",)
SPLITS = ("wiring/test_splits.py",)
MODES = ("wiring/test_modes.py",)
EMBED = ("evaluation/test_embed.py",)
PROTOCOLS = ("evaluation/test_protocols.py", "evaluation/test_protocols_of_equivariance.py")
EMBEDDER = "evaluation/embed.py"
VIEWS = "evaluation/views.py"
EMBEDDED = "evaluation/embedded.py"
PROBE_STREAM = ("evaluation/test_probe_stream.py",)
HELD_OUT = ("wiring/end_to_end/test_held_out.py::test_held_out_maps_and_retrieval",)
PREDICTION = ("wiring/end_to_end/test_probes.py::test_augmentation_prediction",)
PROFILE = ("wiring/end_to_end/test_held_out.py::test_augmentation_profile",)
MUTANTS = (
    Mutant(
        "the fitted half is turned",
        EMBEDDED,
        "z[~self.fitted_half].double()",
        "z[self.fitted_half].double()",
        HELD_OUT,
    ),
    Mutant(
        "the held-out half is not random",
        EMBEDDED,
        "torch.randperm(len(sizes), generator=draws).argsort()",
        "torch.arange(len(sizes))",
        HELD_OUT,
    ),
    Mutant(
        "train and test samples have the same draws",
        EMBEDDER,
        'f"{name} draws of their own"',
        '"draws of their own"',
        PREDICTION,
    ),
    Mutant(
        "single augmentations are compared with the first strength",
        EMBEDDER,
        'copies = [self._few_of("test", MOST_SINGLE)]',
        "copies = [self._embed(at_strength(self.augmentation, part, 'rotation', 15.0) for part in self._batches(few))]",
        PROFILE,
    ),
    Mutant(
        "the pairs of a sample hold other plain samples",
        EMBEDDER,
        "plain = self._few_of(name, len(few))",
        'plain = self._few_of("train", len(few))',
        PREDICTION,
    ),
    Mutant(
        "the later draws have the errors of the first ones",
        EMBEDDED,
        "wahba_errors(z, za[few:])",
        "wahba_errors(z, za[: len(za) - few])",
        PROTOCOLS,
    ),
    Mutant(
        "the released probe has the augmentations of the evaluation",
        EMBEDDER,
        "self.pretraining if released",
        "self.augmentation if released",
        PROBE_STREAM,
    ),
    Mutant("embeddings in training mode", EMBEDDER, "encoder.to(device).eval()", "encoder.to(device).train()", MODES),
    Mutant(
        "probes are fitted on test rows",
        EMBEDDED,
        "return self.train, train_labels, self.test,",
        "return self.test, self.labels(self.dataset.test), self.test,",
        SPLITS,
    ),
    Mutant(
        "probes are tested on train rows",
        EMBEDDED,
        "self.test, self.labels(self.dataset.test), int(",
        "self.train, train_labels, int(",
        SPLITS,
    ),
    Mutant(
        "test labels are in another order",
        EMBEDDED,
        "self.test, self.labels(self.dataset.test), int(",
        "self.test, self.labels(self.dataset.test).flip(0), int(",
        SPLITS,
    ),
    Mutant(
        "samples without a label are in the probe",
        EMBEDDER,
        "evenly_spaced(labelled(dataset.train), most)",
        "evenly_spaced(dataset.train, most)",
        SPLITS,
    ),
    Mutant(
        "train clouds are turned as test clouds are",
        EMBEDDER,
        'return self._draw("train augmentations")',
        'return self._draw("test augmentations")',
        CLOUDS,
    ),
    Mutant(
        "the seed of the augmentations is ignored",
        EMBEDDER,
        "self.settings.augmentation_seed, purpose",
        "0, purpose",
        SETTINGS,
    ),
    Mutant(
        "all data sets have the same draws",
        EMBEDDER,
        "generator(self.dataset.name, self",
        "generator('', self",
        EQUIVARIANCE,
    ),
    Mutant(
        "every copy has the first augmentation",
        EMBEDDER,
        "of_one_draw(self.augmentation, samples, parameters[i])\n\n        return",
        "of_one_draw(self.augmentation, samples, parameters[0])\n\n        return",
        EQUIVARIANCE,
    ),
    Mutant(
        "the second augmentation of a composition is applied first",
        EMBEDDER,
        "of_one_draw(after, of_one_draw(before, samples, first[i]), second[i])",
        "of_one_draw(after, of_one_draw(before, samples, second[i]), first[i])",
        COMPOSITION,
    ),
    Mutant(
        "a composition is normalised twice",
        VIEWS,
        "before = replace(augmentation, mean=(0.0,) * channels, std=(1.0,) * channels)",
        "before = replace(augmentation)",
        COMPOSITION,
    ),
    Mutant(
        "a few samples are the first ones",
        "data/subsets.py",
        "np.arange(most) * number // most",
        "np.arange(most)",
        EMBED,
    ),
    Mutant(
        "features are measured as projections",
        "models/encoder.py",
        '"projection": self.project(features)',
        '"projection": features.float()',
        EQUIVARIANCE,
    ),
    Mutant(
        "the projector sees the features normalised",
        "models/encoder.py",
        '"projection": self.project(features)',
        '"projection": self.project(functional.normalize(features, dim=1))',
        EQUIVARIANCE,
    ),
    Mutant(
        "equivariance is measured off the sphere",
        EMBEDDED,
        'return directions(self.test, "test embeddings"), directions(self.augmented, "augmented embeddings")',
        "return self.test, self.augmented",
        EQUIVARIANCE,
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
