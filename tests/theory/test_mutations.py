"""The theory checks find errors in the code and false statements: each mutation of a copy makes them fail.

Each copy gets one mutation and runs the checks of one statement, with few examples. Without a mutation the same checks
pass.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import RunPytest, warm_pytest

pytestmark = pytest.mark.mutation

ROOT = Path(__file__).parents[2]
FEW_EXAMPLES = """
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "few",
    max_examples=8,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
"""
EQUIVARIANCE = "care_bench/losses/equivariance.py"
UNIFORMITY = "care_bench/losses/uniformity.py"
FORMS = "care_bench/losses/bilinear_forms.py"
INFO_NCE = "care_bench/losses/info_nce.py"
WAHBA = "care_bench/metrics/wahba.py"
COMPOSITION = "care_bench/metrics/composition.py"
GAMMA = "care_bench/metrics/relative_equivariance.py"
BOUNDS = "theory_checks/measures_bounds.py"


@dataclass(frozen=True)
class Mutation:
    """Replacements in one file, and the checks that must then fail: a file, and a -k expression for its tests."""

    name: str
    file: str
    replacements: tuple[tuple[str, str], ...]
    checks: str
    tests: str


MUTATIONS = (
    Mutation(
        "the square is dropped",
        EQUIVARIANCE,
        (("difference.dot(difference)", "difference.abs().sum()"),),
        "test_orthogonal_maps.py",
        "finite_sample_sum_of_squares",
    ),
    Mutation(
        "the Gram matrices are transposed: dimensions are compared instead of samples",
        EQUIVARIANCE,
        (
            (
                "torch.bmm(z1 + z2, (z1 - z2).mT)",
                "torch.bmm((z1 + z2).mT, z1 - z2)",
            ),
            ("torch.eye(z1.shape[1],", "torch.eye(z1.shape[2],"),
        ),
        "test_orthogonal_maps.py",
        "orthogonal_map_gives_zero_loss",
    ),
    Mutation(
        "the views are paired one way only",
        EQUIVARIANCE,
        (("(product + product.mT)", "(product + product)"),),
        "test_orthogonal_maps.py",
        "every_augmentation_may_have_its_own_map",
    ),
    Mutation(
        "the diagonal is not masked",
        EQUIVARIANCE,
        ((".masked_fill(itself, 0.0)", ""),),
        "test_orthogonal_maps.py",
        "off_the_sphere_zero_loss",
    ),
    Mutation(
        "the batch is not divided into chunks",
        "care_bench/losses/checks.py",
        (("divmod(batch, splits)", "divmod(batch, splits := 1)"),),
        "test_orthogonal_maps.py",
        "every_augmentation_may_have_its_own_map",
    ),
    Mutation(
        "Procrustes is solved over SO(d) instead of O(d)",
        WAHBA,
        (
            (' if "SO" in groups else torch.ones_like(squares)', ""),
            ('if group == "SO":  # the direction', "if group:  # the direction"),
        ),
        "test_orthogonal_maps.py",
        "recovers_the_map_in_its_coset",
    ),
    Mutation(
        "Wahba's problem is solved over O(d) instead of SO(d)",
        WAHBA,
        (('if group == "SO":  # the direction', "if not group:  # the direction"),),
        "test_wahba.py",
        "solution_in_space_is_as_good_as_scipys",
    ),
    Mutation(
        "the sign goes to the largest singular value",
        WAHBA,
        (
            (
                "free + (u[..., -1:] * (sign[:, None, None] - 1)) * vh[..., -1:, :]",
                "free + (u[..., :1] * (sign[:, None, None] - 1)) * vh[..., :1, :]",
            ),
        ),
        "test_wahba.py",
        "solution_in_space_is_as_good_as_scipys",
    ),
    Mutation(
        "the rotation is inverted",
        WAHBA,
        (("rotations[group].append(rotation.to(dtype))", "rotations[group].append(rotation.mT.to(dtype))"),),
        "test_wahba.py",
        "solution_over_the_whole_group",
    ),
    Mutation(
        "a sample is paired with itself",
        UNIFORMITY,
        (("similarity.diagonal(start).fill_(-torch.inf)", "pass"),),
        "test_contrastive_limits.py",
        "random_starts_end_in_a_regular_simplex",
    ),
    Mutation(
        "the ratio is not squared",
        GAMMA,
        (("change.div_(movement).square_().triu_(1)", "change.div_(movement).abs_().triu_(1)"),),
        "test_metrics.py",
        "numerator_of_gamma",
    ),
    Mutation(
        "the ratio pairs the samples one way only",
        GAMMA,
        (
            (
                "moved[here] @ sums[start:].mT + sums[here] @ moved[start:].mT",
                "2 * moved[here] @ sums[start:].mT",
            ),
        ),
        "test_metrics.py",
        "gamma_is_zero_for_an_exact_orthogonal_map",
    ),
    Mutation(
        "two augmentations are composed in the wrong order",
        COMPOSITION,
        (("part_b @ part_a", "part_a @ part_b"),),
        "test_composition_bounds.py",
        "procrustes_maps_is_within_the_bounds",
    ),
    Mutation(
        "every form is taken for symmetric",
        FORMS,
        (("form(total, difference) + form(difference, total)", "2 * form(total, difference)"),),
        "test_other_groups.py",
        "one_element_of_the_group_gives_zero",
    ),
    Mutation(
        "a view is its own negative",
        INFO_NCE,
        (("logits.masked_fill(itself, -torch.inf)", "logits"),),
        "test_contrastive_limits.py",
        "info_nce_lies_below",
    ),
    Mutation(
        "Prop. 3 with the norm of the pseudo-inverse capped",
        BOUNDS,
        (("return 1 / smallest_singular_value(a)", "return min(2.4, 1 / smallest_singular_value(a))"),),
        "test_perturbation_bounds.py",
        "explains_every_admissible_perturbation",
    ),
    Mutation(
        "the exponents of Prop. 3 with the norm of the pseudo-inverse capped",
        BOUNDS,
        (("return 1 / smallest_singular_value(a)", "return min(30, 1 / smallest_singular_value(a))"),),
        "test_orders.py",
        "exponents_of_its_bound",
    ),
    Mutation(
        "Prop. 3 with half of the constant that is attained",
        BOUNDS,
        (("ATTAINED = math.sqrt(3) - 1", "ATTAINED = (math.sqrt(3) - 1) / 2"),),
        "test_ascent.py",
        "ascent_on_the_sphere",
    ),
    Mutation(
        "the variance of cosines from the skew part of a map",
        "theory_checks/test_claims.py",
        (("s = len(r), (r + r.mT) / 2", "s = len(r), (r - r.mT) / 2"),),
        "test_claims.py",
        "variance_says_how_far",
    ),
    Mutation(
        "no rotation fits a reflection, whatever the rank",
        "theory_checks/test_uniqueness.py",
        (("    assert max(error, expected) < EXACT", "    assert error > 0.1"),),
        "test_uniqueness.py",
        "a_rotation_fits_the_image_of_a_reflection",
    ),
    Mutation(
        "the bound by two residuals without its denominator",
        "theory_checks/test_ascent.py",
        (("bound = product / (1 - inverse_norm(a) * sum(residuals))", "bound = product"),),
        "test_ascent.py",
        "needs_the_denominator",
    ),
)
OPTIONS = (
    "-v",
    "-p",
    "no:cacheprovider",
    "-p",
    "few_examples",
    "--hypothesis-profile=few",
    "--tb=line",
    "--assert=plain",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of all files that the theory checks need."""
    skip = shutil.ignore_patterns("assets", ".*")
    for name in ("care_bench", "theory_checks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "few_examples.py").write_text(FEW_EXAMPLES)
    return tmp_path


@pytest.fixture(scope="module")
def check() -> Iterator[RunPytest]:
    """A function that runs the theory checks of a copy."""
    with warm_pytest() as run:
        yield lambda folder, *arguments: run(folder, *OPTIONS, *arguments)


def mutate(mutation: Mutation, folder: Path) -> None:
    """Apply the mutation to the copy in ``folder``."""
    path = folder / mutation.file
    text = path.read_text()
    for old, new in mutation.replacements:
        assert text.count(old) == 1, f"{mutation.file} has {old!r} {text.count(old)} times; expected it once"
        text = text.replace(old, new)
    path.write_text(text)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_checks_fail_on_a_mutated_copy(copy: Path, check: RunPytest, mutation: Mutation) -> None:
    mutate(mutation, copy)
    outcome = check(copy, "-x", "-k", mutation.tests, f"theory_checks/{mutation.checks}")
    assert outcome.code == pytest.ExitCode.TESTS_FAILED, outcome.output
    assert re.search(r"=== 1 failed, \d+ deselected", outcome.output), outcome.output
    assert "violated" in outcome.output


def test_the_checks_pass_on_an_unchanged_copy(copy: Path, check: RunPytest) -> None:
    tests = sorted({mutation.tests for mutation in MUTATIONS})
    files = sorted({f"theory_checks/{mutation.checks}" for mutation in MUTATIONS})
    outcome = check(copy, "-k", " or ".join(tests), *files)
    assert outcome.code == pytest.ExitCode.OK, outcome.output
    assert all(len(re.findall(rf"::test_\w*{name}", outcome.output)) > 0 for name in tests)
