"""Errors planted in the protocols of the evaluation are found by its tests."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

EQUIVARIANCE = ("wiring/end_to_end/test_equivariance.py::test_equivariance",)
RETRIEVAL = ("wiring/end_to_end/test_probes.py::test_retrieval",)
SETTINGS = ("wiring/test_settings_of_runs.py::test_every_setting_of_the_evaluation_changes_the_records",)
SPLITS = ("wiring/test_splits.py",)
PROTOCOLS = ("evaluation/test_protocols.py", "evaluation/test_protocols_of_equivariance.py")
HUE = ("evaluation/test_retrieval_protocol.py",)
MIRRORED = ("evaluation/test_prediction_protocol.py",)
HELD_OUT = ("wiring/end_to_end/test_held_out.py::test_held_out_maps_and_retrieval",)
PREDICTION = ("wiring/end_to_end/test_probes.py::test_augmentation_prediction",)
PROFILE = ("wiring/end_to_end/test_held_out.py::test_augmentation_profile",)
MUTANTS = (
    Mutant(
        "a held-out fraction is of the linear map",
        "evaluation/protocols/held_out_wahba.py",
        "_fractions(found.orthogonal[moved]",
        "_fractions(found.linear[moved]",
        HELD_OUT,
    ),
    Mutant(
        "the transformed input is searched among the fitted half",
        "evaluation/protocols/equivariant_retrieval.py",
        "(~embedded.fitted_half).nonzero()",
        "embedded.fitted_half.nonzero()",
        HELD_OUT,
    ),
    Mutant(
        "the untransformed input searches",
        "evaluation/protocols/equivariant_retrieval.py",
        "equivariant_retrieval(turned, view[other])",
        "equivariant_retrieval(embedded.directions[0][other].double(), view[other])",
        HELD_OUT,
    ),
    Mutant(
        "the draw is predicted from train samples alone",
        "evaluation/protocols/augmentation_prediction.py",
        "embedded.test_pairs, test, acts[1]",
        "embedded.train_pairs, train, acts[0]",
        PREDICTION,
    ),
    Mutant(
        "a crop's place is that of its corner",
        "evaluation/protocols/augmentation_prediction.py",
        "left + width / 2",
        "left",
        PREDICTION,
    ),
    Mutant(
        "a crop's place is that of the image, where the view is mirrored",
        "evaluation/protocols/augmentation_prediction.py",
        "1 - x, x)",
        "x, x)",
        MIRRORED,
    ),
    Mutant(
        "a mirrored view turns the other way",
        "evaluation/protocols/augmentation_prediction.py",
        "-angle.sin(), angle.sin())",
        "angle.sin(), angle.sin())",
        MIRRORED,
    ),
    Mutant(
        "neighbours follow the colour that a sample had",
        "evaluation/protocols/retrieval.py",
        "torch.full((len(pixels),), turns)",
        "torch.zeros(len(pixels))",
        HUE,
    ),
    Mutant(
        "neighbours under the augmentation before the hue are taken",
        "evaluation/embedded.py",
        "self.single[first : first + len(STRENGTHS[name])]",
        "self.single[first - 1 : first - 1 + len(STRENGTHS[name])]",
        HUE,
    ),
    Mutant(
        "a colour factor counts where it is not applied",
        "evaluation/protocols/augmentation_prediction.py",
        'column(draws, "jitter") == 1',
        'column(draws, "jitter") >= 0',
        PREDICTION,
    ),
    Mutant(
        "strengths of the next augmentation are taken",
        "evaluation/protocols/augmentation_profile.py",
        "first = here.stop",
        "first = here.stop - 1",
        PROFILE,
    ),
    Mutant(
        "the certificate takes the error over rotations",
        "evaluation/protocols/certificate.py",
        'embedded.wahba_errors["O"]',
        'embedded.wahba_errors["SO"]',
        PROTOCOLS,
    ),
    Mutant(
        "the certificate's held-out error is that of a linear map",
        "evaluation/protocols/certificate.py",
        "embedded.held_out.orthogonal",
        "embedded.held_out.linear",
        ("wiring/end_to_end/test_equivariance.py::test_certificate",),
    ),
    Mutant(
        "of a large set, as many draws are composed",
        "evaluation/measurement.py",
        "COMPOSED if samples <= MOST_SAMPLES else FEW_COMPOSED",
        "COMPOSED",
        PROTOCOLS,
    ),
    Mutant(
        "bound and held-out error of the certificate are swapped",
        "evaluation/protocols/certificate.py",
        "embedded.held_out.orthogonal),\n        over_repeats(found.bound)",
        "found.bound),\n        over_repeats(embedded.held_out.orthogonal)",
        ("wiring/end_to_end/test_equivariance.py::test_certificate",),
    ),
    Mutant(
        "the first component is learnt on test embeddings",
        "evaluation/protocols/point_clouds.py",
        "embedded.train_augmented.flatten(0, 1),\n        embedded.train_clouds.flatten(0, 1),",
        "embedded.augmented.flatten(0, 1),\n        embedded.test_clouds.flatten(0, 1),",
        SPLITS,
    ),
    Mutant(
        "the first component is scored on train clouds",
        "evaluation/protocols/point_clouds.py",
        "embedded.augmented.flatten(0, 1),\n        embedded.test_clouds.flatten(0, 1),",
        "embedded.train_augmented.flatten(0, 1),\n        embedded.train_clouds.flatten(0, 1),",
        SPLITS,
    ),
    Mutant(
        "compositions are compared over O(d)",
        "evaluation/protocols/composition.py",
        'composed, group="SO", known=known)',
        'composed, group="O")',
        SPLITS,
    ),
    Mutant(
        "the worst augmentation is the best one",
        "evaluation/protocols/wahba.py",
        "result.error.max()",
        "result.error.min()",
        EQUIVARIANCE,
    ),
    Mutant(
        "median and trimmed mean change places",
        "evaluation/protocols/relative_equivariance.py",
        "(result.mean, result.median, result.trimmed_mean)",
        "(result.mean, result.trimmed_mean, result.median)",
        EQUIVARIANCE,
    ),
    Mutant(
        "alignment is that of neighbouring pairs that overlap",
        "evaluation/protocols/alignment_uniformity.py",
        "zip(za[0::2], za[1::2], strict=False)",
        "zip(za, za[1:], strict=False)",
        EQUIVARIANCE,
    ),
    Mutant(
        "uniformity is that of augmented views",
        "evaluation/protocols/alignment_uniformity.py",
        "float(uniformity(z))",
        "float(uniformity(za[0]))",
        EQUIVARIANCE,
    ),
    Mutant(
        "neighbours are test samples",
        "evaluation/protocols/retrieval.py",
        "retrieval(embedded.train, *",
        "retrieval(embedded.test, *",
        RETRIEVAL,
    ),
    Mutant(
        "augmented neighbours are those of other samples",
        "evaluation/protocols/retrieval.py",
        "(z[rows], za[:, rows])",
        "(z[rows], za[:, : len(rows)])",
        HUE,
    ),
    Mutant(
        "tints of train and test change places",
        "evaluation/protocols/retrieval.py",
        "embedded.labels(dataset.test, TINT), embedded.labels(dataset.train, TINT)",
        "embedded.labels(dataset.train, TINT), embedded.labels(dataset.test, TINT)",
        (*SPLITS, *PROTOCOLS),
    ),
    Mutant(
        "the classifier seeds are not those of the settings",
        "evaluation/protocols/linear_probes.py",
        "range(embedded.settings.classifier_seeds)",
        "range(2)",
        SETTINGS,
    ),
    Mutant(
        "the spread has ddof 0",
        "evaluation/measurement.py",
        "/ (len(numbers) - 1))",
        "/ len(numbers))",
        PROTOCOLS,
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
