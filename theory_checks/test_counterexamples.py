"""Small encoders that show where the text needs an assumption.

An encoder is a table: input i has the embedding in row i. An augmentation is a list: it takes input i to input a[i].
"""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from care_bench.losses import equivariance
from care_bench.metrics import composition_error
from theory_checks.measures import distance, equivariance_loss, off_map, procrustes, smallest_singular_value
from theory_checks.measures_bounds import epsilon_squared, inverse_norm
from theory_checks.observing import Statement, observe, observe_bound, observe_counterexample
from theory_checks.strategies import generator, make_full_rank_points, make_orthogonal, make_points, seeds
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        "point-1-support",
        "Zero loss on X for a, a' and a'∘a and a span of R^d do not give ρ(a'∘a) = ρ(a')ρ(a) when a(X) lies outside X.",
        "point 1, Cor. 1",
        "counterexample to the text as printed: a' turns X one way and a(X) another",
    ),
    Statement(
        "cor-2-fitted-on-x",
        "With ρ(a') fitted on the embeddings of x and not of a(x), zero loss of a, a' and a'∘a on X allows "
        "‖ρ(a'∘a) - ρ(a')ρ(a)‖ = 2√d, the largest distance in O(d).",
        "Cor. 2, point 1",
        "holds",
    ),
    Statement(
        "point-1-repaired",
        "With zero loss of a' on a(X) as well and ρ(a') fitted there, ρ(a'∘a) = ρ(a')ρ(a).",
        "point 1, Cor. 1 and 2",
        "holds with assumption: a(X) lies in the support of the loss and the embeddings span R^d",
    ),
    Statement(
        "point-2-homomorphism",
        "An idempotent augmentation a has ‖ρ(a∘a) - ρ(a)ρ(a)‖ = ‖ρ(a) - I‖: the only homomorphic ρ is ρ(a) = I.",
        "point 2",
        "holds",
    ),
    Statement(
        "point-2-invariance",
        "For an idempotent augmentation, a loss of ε^4 on X and a(X) together bounds the whole motion: "
        "(Σ ‖f(a(x)) - f(x)‖²)^(1/2) <= ‖Ā†‖ε²/√2; at zero loss equivariance IS invariance.",
        "point 2",
        "holds with assumption: a(X) lies in the support of the loss and f(a(X)) spans R^d",
    ),
    Statement(
        "point-7-practical-loss",
        "The practical loss (a and a' both drawn) is zero for f(a(x)) = R_a g(x) while the ideal one need not be.",
        "point 7, Eq. 2",
        "holds with assumption: the identity is not among the augmentations",
    ),
    Statement(
        "point-7-identity",
        "With the identity drawn with probability p, ideal loss <= practical loss / (2p).",
        "point 7, Eq. 2",
        "holds with assumption: the identity is an augmentation of positive probability",
    ),
)

dimensions = st.integers(2, 16)
extra = st.integers(0, 16)


def compose(second: list[int], first: list[int]) -> list[int]:
    return [second[image] for image in first]


def views(table: Tensor, inputs: range, *augmentations: list[int]) -> tuple[Tensor, ...]:
    """Return the embeddings of the inputs under each augmentation."""
    return tuple(table[[augmentation[i] for i in inputs]] for augmentation in augmentations)


def _two_faced(points: Tensor, turn: Tensor, on_x: Tensor, on_y: Tensor) -> tuple[Tensor, list[int], list[int]]:
    """Return a table over the blocks X, Y = a(X), a'(X), a'(Y) of n inputs each, and the augmentations a and a'.

    a moves X to Y and keeps the rest; a' moves X and Y to the last two blocks and keeps the rest. f(a(x)) = turn f(x);
    a' acts by ``on_x`` on X and by ``on_y`` on Y.
    """
    n = len(points)
    moved = points @ turn.mT
    table = torch.cat([points, moved, points @ on_x.mT, moved @ on_y.mT])
    a = [i + n if i < n else i for i in range(4 * n)]
    a_prime = [i + 2 * n if i < 2 * n else i for i in range(4 * n)]
    return table, a, a_prime


@pytest.mark.statement("point-1-support")
@pytest.mark.statement("point-1-repaired")
@given(d=dimensions, more=extra, seed=seeds())
def test_a_of_x_outside_the_support_breaks_the_homomorphism(d: int, more: int, seed: int) -> None:
    turn, on_x, on_y = (make_orthogonal(d, seed + i) for i in range(3))
    assume(distance(on_x, on_y) > 0.1)
    n = d + more
    table, a, a_prime = _two_faced(make_full_rank_points(n, d, seed), turn, on_x, on_y)
    identity = list(range(4 * n))
    z, za, zb, zba = views(table, range(n), identity, a, a_prime, compose(a_prime, a))
    losses = [equivariance_loss(z, view) for view in (za, zb, zba)]
    assert max(losses) < EXACT

    defect = distance(procrustes(z, zba)[0], procrustes(z, zb)[0] @ procrustes(z, za)[0])
    case = f"n={n} d={d} seed={seed}"
    observe_counterexample("point-1-support", value=defect, case=case)
    assert defect == pytest.approx(distance(on_x, on_y), abs=EXACT)

    repaired = float(composition_error(z, za, zba).frobenius)
    observe("point-1-repaired", residual=repaired, case=case)
    assert repaired < EXACT
    # Once Y is in its support the loss detects it: no single map fits a' on X and on Y.
    both = views(table, range(2 * n), identity, a_prime)
    least = math.sqrt(2) * smallest_singular_value(z) * smallest_singular_value(za) * distance(on_x, on_y)
    assert epsilon_squared(*both) > least - EXACT > 1e-4


@pytest.mark.statement("point-1-repaired")
@given(n=st.integers(2, 16), d=dimensions, seed=seeds())
def test_below_full_rank_repaired_maps_may_differ_off_the_span(n: int, d: int, seed: int) -> None:
    z = make_points(n, d, seed, "rank_deficient")
    first, second = make_orthogonal(d, seed), make_orthogonal(d, seed + 1)
    unseen = torch.linalg.svd(z).Vh[-1]
    both = second @ first
    other = both - 2 * torch.outer(both @ unseen, unseen)
    case = f"n={n} d={d} seed={seed} rank deficient"
    observe("point-1-repaired", residual=off_map(z, z @ both.mT, other), case=case)
    observe_counterexample("point-1-repaired", value=distance(other, both), case=case)
    assert off_map(z, z @ both.mT, other) < EXACT
    assert distance(other, both) == pytest.approx(2)


@pytest.mark.statement("point-1-support")
def test_smallest_case_of_a_of_x_outside_the_support_two_points_of_the_plane() -> None:
    """f(X) = {e1, e2}; a is the identity, a' is the identity on X and a quarter turn J on a(X). ‖I - J‖ = 2."""
    eye = torch.eye(2, dtype=torch.float64)
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    table, a, a_prime = _two_faced(eye, turn=eye, on_x=eye, on_y=quarter)
    z, za, zb, zba = views(table, range(2), list(range(8)), a, a_prime, compose(a_prime, a))
    assert [equivariance_loss(z, view) for view in (za, zb, zba)] == [0.0, 0.0, 0.0]
    defect = distance(procrustes(z, zba)[0], procrustes(z, zb)[0] @ procrustes(z, za)[0])
    case = "n=2 d=2: f(X) = {e1, e2}, a' a quarter turn on a(X) only"
    observe_counterexample("point-1-support", value=defect, case=case)
    assert defect == pytest.approx(2, abs=EXACT)


@pytest.mark.statement("cor-2-fitted-on-x")
@given(d=dimensions, more=extra, seed=seeds())
def test_a_prime_fitted_on_plain_inputs_can_be_the_opposite_map(d: int, more: int, seed: int) -> None:
    n, turn, on_x = d + more, make_orthogonal(d, seed), make_orthogonal(d, seed + 1)
    table, a, a_prime = _two_faced(make_full_rank_points(n, d, seed), turn, on_x, on_y=-on_x)
    z, za, zb, zba = views(table, range(n), list(range(4 * n)), a, a_prime, compose(a_prime, a))
    assert max(equivariance_loss(z, view) for view in (za, zb, zba)) < EXACT
    assert float(composition_error(z, za, zba).frobenius) < EXACT
    defect = distance(procrustes(z, zba)[0], procrustes(z, zb)[0] @ procrustes(z, za)[0])
    observe("cor-2-fitted-on-x", residual=abs(defect - 2 * math.sqrt(d)), case=f"n={n} d={d} seed={seed}")
    assert defect == pytest.approx(2 * math.sqrt(d), abs=EXACT)


@pytest.mark.statement("point-2-homomorphism")
@given(d=dimensions, more=extra, seed=seeds())
def test_an_idempotent_augmentation_and_a_homomorphism_force_the_identity(d: int, more: int, seed: int) -> None:
    n, turn = d + more, make_orthogonal(d, seed)
    assume(distance(turn, torch.eye(d, dtype=torch.float64)) > 0.1)
    points = make_full_rank_points(n, d, seed)
    table, gray = torch.cat([points, points @ turn.mT]), [n + i % n for i in range(2 * n)]
    assert compose(gray, gray) == gray
    z, za, zaa = views(table, range(n), list(range(2 * n)), gray, compose(gray, gray))
    assert equivariance_loss(z, za) < EXACT
    rho = procrustes(z, za)[0]
    assert distance(rho, turn) < EXACT
    defect, motion = distance(procrustes(z, zaa)[0], rho @ rho), distance(rho, torch.eye(d, dtype=torch.float64))
    observe("point-2-homomorphism", residual=abs(defect - motion), case=f"n={n} d={d} seed={seed}")
    assert defect == pytest.approx(motion, abs=EXACT)
    # Fitted on f(a(x)), where it acts the second time, the same augmentation is the identity.
    assert distance(procrustes(za, zaa)[0], torch.eye(d, dtype=torch.float64)) < EXACT


@pytest.mark.statement("point-2-invariance")
@given(d=dimensions, more=extra, seed=seeds(), size=st.sampled_from([0.0, 1e-6, 1e-3, 0.1, 1.0]))
def test_idempotent_augmentations_force_invariance_where_the_loss_sees_their_images(
    d: int, more: int, seed: int, size: float
) -> None:
    n = d + more
    images = make_full_rank_points(n, d, seed)
    plain = images + size * torch.from_numpy(generator("color", seed).standard_normal((n, d)))
    plain = plain / torch.linalg.vector_norm(plain, dim=1, keepdim=True)
    table, gray = torch.cat([plain, images]), [n + i % n for i in range(2 * n)]
    everything = views(table, range(2 * n), list(range(2 * n)), gray)
    motion = float(torch.linalg.matrix_norm(images - plain))
    bound = inverse_norm(images) * epsilon_squared(*everything) / math.sqrt(2)
    observe_bound("point-2-invariance", value=motion, bound=bound, case=f"n={n} d={d} seed={seed} size={size:g}")
    assert motion <= bound + EXACT


@pytest.mark.statement("point-2-invariance")
@given(d=dimensions, more=extra, seed=seeds())
def test_control_an_equivariant_idempotent_augmentation_does_not_have_zero_loss(d: int, more: int, seed: int) -> None:
    n = d + more
    points = make_full_rank_points(n, d, seed)
    images = points @ make_orthogonal(d, seed).mT
    motion = float(torch.linalg.matrix_norm(images - points))
    assume(motion > 0.1)
    alone, both = epsilon_squared(points, images), epsilon_squared(torch.cat([points, images]), images.repeat(2, 1))
    bound = inverse_norm(images) * both / math.sqrt(2)
    observe_bound("point-2-invariance", value=motion, bound=bound, case=f"n={n} d={d} seed={seed} turned")
    assert alone < EXACT
    assert motion <= bound + EXACT


def _practical_and_ideal(plain: Tensor, augmented: list[Tensor], probabilities: list[float]) -> tuple[float, float]:
    """Return both forms of Eq. 2: two augmented views, and an augmented view against the plain embeddings."""
    drawn = list(zip(augmented, probabilities, strict=True))
    practical = sum(p * q * float(equivariance(z, y, splits=1)) for z, p in drawn for y, q in drawn)
    return practical, sum(p * float(equivariance(plain, z, splits=1)) for z, p in drawn)


@pytest.mark.statement("point-7-practical-loss")
@given(d=dimensions, more=extra, count=st.integers(2, 4), seed=seeds())
def test_the_practical_loss_without_the_identity_says_nothing_about_plain_inputs(
    d: int, more: int, count: int, seed: int
) -> None:
    n = d + more
    plain, hidden = make_points(n, d, seed), make_full_rank_points(n, d, seed)
    augmented = [hidden @ make_orthogonal(d, seed + i).mT for i in range(count)]
    practical, ideal = _practical_and_ideal(plain, augmented, [1 / count] * count)
    case = f"n={n} d={d} seed={seed} augmentations={count}"
    observe("point-7-practical-loss", residual=practical, case=case)
    assert practical < EXACT
    assert _practical_and_ideal(hidden, augmented, [1 / count] * count)[1] < EXACT  # with g = f both are zero
    assume(epsilon_squared(plain, hidden) > 0.1)
    observe_counterexample("point-7-practical-loss", value=ideal, case=case)
    assert ideal > 1e-6


@pytest.mark.statement("point-7-practical-loss")
def test_smallest_case_of_the_practical_loss_two_points_of_the_plane() -> None:
    """f(x1) = f(x2) = e1 and f(a(x1)) = e1, f(a(x2)) = e2: the pair has inner products 1 and 0."""
    plain = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    augmented = [torch.eye(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64).flip(1)]
    practical, ideal = _practical_and_ideal(plain, augmented, [0.5, 0.5])
    case = "n=2 d=2: f(X) = {e1, e1}, f(a(X)) = {e1, e2}"
    observe("point-7-practical-loss", residual=practical, case=case)
    observe_counterexample("point-7-practical-loss", value=ideal, case=case)
    assert (practical, ideal) == (0.0, 1.0)


@pytest.mark.statement("point-7-identity")
@given(n=st.integers(2, 16), d=dimensions, count=st.integers(1, 4), weight=st.integers(1, 5), seed=seeds())
def test_the_identity_among_the_augmentations_bounds_the_ideal_loss(
    n: int, d: int, count: int, weight: int, seed: int
) -> None:
    plain = make_points(n, d, seed)
    augmented = [plain] + [make_points(n, d, seed + 1 + i) for i in range(count)]
    total = weight + count
    practical, ideal = _practical_and_ideal(plain, augmented, [weight / total] + [1 / total] * count)
    bound = practical / (2 * weight / total)
    observe_bound("point-7-identity", value=ideal, bound=bound, case=f"n={n} d={d} seed={seed} augmentations={count}")
    assert ideal <= bound + EXACT
