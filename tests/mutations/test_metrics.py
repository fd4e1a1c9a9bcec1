"""Errors planted in `care_bench.metrics` are found by its tests and by those of the evaluation."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

SPLITS = ("wiring/test_splits.py",)
CERTIFICATE = ("metrics/test_certificate.py",)
HELD_OUT = ("wiring/end_to_end/test_held_out.py::test_held_out_maps_and_retrieval",)
LIE = ("wiring/end_to_end/test_held_out.py::test_lie_derivatives",)
MUTANTS = (
    Mutant(
        "held-out maps are measured where they were fitted",
        "metrics/held_out.py",
        "source, other = z[rows].double(), z[others].double()",
        "source, other = z[rows].double(), z[rows].double()\n    others = rows",
        HELD_OUT,
    ),
    Mutant(
        "directions that no sample decides go anywhere",
        "metrics/held_out.py",
        "basis @ (theirs @ (u @ vh))",
        "basis @ theirs",
        ("metrics/test_held_out.py",),
    ),
    Mutant(
        "directions that no sample decides stay where they are",
        "metrics/held_out.py",
        "_completed(right[:, :rank], left[:, :rank])",
        "OrthogonalMap(right[:, :rank], left[:, :rank])",
        ("metrics/test_held_out.py", *HELD_OUT),
    ),
    Mutant(
        "ties count for the query",
        "metrics/equivariant_retrieval.py",
        "distances <= own + tie",
        "distances < own - tie",
        ("metrics/test_equivariant_retrieval.py",),
    ),
    Mutant(
        "the ridge is chosen on the test draws",
        "metrics/augmentation_prediction.py",
        "best = (_ridge(x[~held], y[~held], x[held], penalties.to(x)) - y[held])",
        "best = (_ridge(x, y, test_x, penalties) - test_y)",
        ("metrics/test_augmentation_prediction.py",),
    ),
    Mutant(
        "derivatives leave the sphere",
        "metrics/lie_derivative.py",
        "return z, velocity - (velocity * z).sum(dim=1, keepdim=True) * z",
        "return z, velocity",
        LIE,
    ),
    Mutant(
        "the generator of a rotation is no skew-symmetric matrix",
        "metrics/lie_derivative.py",
        "(inner - inner.mT) / sums",
        "2 * inner / sums",
        LIE,
    ),
    Mutant(
        "the closed form is taken where it cancels",
        "metrics/wahba.py",
        "(squared > CANCELLING * squares).tolist()",
        "(squared > 0).tolist()",
        ("metrics/test_wahba.py",),
    ),
    Mutant(
        "the closed form is taken where it cancels, without maps",
        "metrics/wahba.py",
        "amin(dim=0) <= CANCELLING * squares",
        "amin(dim=0) <= -squares",
        ("metrics/test_wahba.py",),
    ),
    Mutant(
        "the errors of later draws are those of reflections",
        "metrics/wahba.py",
        "torch.linalg.slogdet(products).sign",
        "torch.ones_like(products[:, 0, 0])",
        ("metrics/test_wahba.py",),
    ),
    Mutant(
        "the singular value of the mean is counted, and left in the rest",
        "metrics/wahba.py",
        "torch.where(found[:, None, None], rest, products)",
        "products",
        ("metrics/test_wahba.py",),
    ),
    Mutant(
        "roots of eigenvalues stand where they lose digits",
        "metrics/wahba.py",
        "if lost.any():",
        "if lost.all() and not lost.any():",
        ("metrics/test_wahba.py",),
    ),
    Mutant(
        "a singular value is taken out although power iterations have not found it",
        "metrics/wahba.py",
        "found = coupling <= rounded * largest",
        "found = coupling >= 0",
        ("metrics/test_wahba.py",),
    ),
    Mutant(
        "a map out of the span of few samples is left out",
        "metrics/lie_derivative.py",
        "(self.vectors @ turned + outer).mT - others @ outer @ self.vectors.mT",
        "(self.vectors @ turned).mT",
        ("metrics/test_lie_derivative.py",),
    ),
    Mutant(
        "a small loss is what is left of a difference of squares",
        "metrics/certificate.py",
        "one.gaps[-1] <= CANCELLING * one.size",
        "one.gaps[-1] < 0 * one.size",
        CERTIFICATE,
    ),
    Mutant(
        "a singular value is zero where there are many samples",
        "metrics/certificate.py",
        "d**0.5 * torch.finfo(z.dtype).eps",
        "n * torch.finfo(z.dtype).eps",
        CERTIFICATE,
    ),
    Mutant(
        "the certificate forgets the mass of the views outside",
        "metrics/certificate.py",
        " + (squares.sum() - squares.cumsum(0))",
        "",
        CERTIFICATE,
    ),
    Mutant(
        "samples of one PDB entry are fitted and held out",
        "evaluation/embedded.py",
        "entries(self.dataset.test)[rows.numpy()]",
        "rows.numpy()",
        ("evaluation/test_fitted_half.py", *HELD_OUT),
    ),
    Mutant(
        "the gradient of a linear probe is not a mean",
        "metrics/linear_probe.py",
        "change.sub_(right.mT).div_(rows.shape[1])",
        "change.sub_(right.mT)",
        ("metrics/test_linear_probe.py",),
    ),
    Mutant(
        "the median of gamma is of what happens to stand in the middle",
        "metrics/relative_equivariance.py",
        "np.partition(values.cpu().numpy(), (cut, end - 1))[cut:end]",
        "values.cpu().numpy()[cut:end]",
        ("metrics/test_relative_equivariance.py",),
    ),
    Mutant(
        "the scaler of the probe sees test rows",
        "metrics/linear_probe.py",
        "model = fit_cached(train_features, train_labels) if known is None else known",
        "model = fit_cached(train_features, train_labels) if known is None else known\n"
        "    model[0].fit(torch.cat([train_features, test_features]).detach().double().cpu().numpy())",
        SPLITS,
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
