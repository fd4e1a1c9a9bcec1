"""Groups other than O(d): the loss under the form that a group preserves, on spans that are non-degenerate."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from geomstats.geometry.hyperboloid import Hyperboloid
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from care_bench.losses import Form, euclidean, form_equivariance, gram, hermitian, minkowski
from theory_checks import strategies
from theory_checks.descent import minimise, stuck_of
from theory_checks.form_groups import CONDITION, GROUPS, Group, hold_element, root_of_sum, signs
from theory_checks.measures import smallest_singular_value
from theory_checks.measures_other_groups import (
    form_defect,
    recovered_map,
    unitary_procrustes,
    unitary_rows,
)
from theory_checks.observing import Statement, observe, observe_bound, observe_counterexample, observe_starts
from theory_checks.tolerances import EXACT

TEXT = "The loss with the {} form is zero exactly when the views differ by one {} map."
SPAN = "holds with assumption: the embeddings and the views each span a non-degenerate subspace (Witt)"
STATEMENTS = (
    Statement("other-groups-lorentz", TEXT.format("Minkowski", "Lorentz"), "other groups", SPAN),
    Statement("other-groups-symplectic", TEXT.format("symplectic", "symplectic"), "other groups", SPAN),
    Statement("other-groups-unitary", TEXT.format("Hermitian", "unitary"), "other groups", "holds"),
)


EACH_GROUP = [
    pytest.param(group, id=name, marks=pytest.mark.statement(group.statement)) for name, group in GROUPS.items()
]


@st.composite
def sizes(draw: st.DrawFn, group: Group) -> tuple[int, int, int]:
    """Number of rows n >= d, dimension d of the group, and a seed."""
    d = draw(group.dimensions)
    return draw(st.integers(d, 16)), d, draw(strategies.seeds())


@pytest.mark.parametrize("group", EACH_GROUP)
@given(data=st.data())
def test_one_element_of_the_group_gives_zero(group: Group, data: st.DataObject) -> None:
    n, d, seed = data.draw(sizes(group))
    z, G = group.points(n, d, seed), data.draw(group.elements(d))
    residual = root_of_sum(group.form(d), z, z @ G.mT) / (n * float(torch.linalg.matrix_norm(G)) ** 2)
    observe(group.statement, residual=residual, case=f"n={n} d={d} seed={seed}")
    assert residual <= EXACT


@pytest.mark.parametrize("group", EACH_GROUP)
@given(data=st.data())
def test_zero_gives_one_element_of_the_group(group: Group, data: st.DataObject) -> None:
    """The second view comes from the eigenvectors of the Gram matrix, without any element of the group."""
    n, d, seed = data.draw(sizes(group))
    form, z = group.form(d), group.points(n, d, seed)
    za = group.rows(gram(form, z), d)
    gap = root_of_sum(form, z, za)
    assert gap <= EXACT * n
    assert (z - za).abs().max() > 1e-9  # the second view is not the first one
    residual = hold_element(0.0, z, za, group.matrix(d))
    observe(group.statement, residual=residual, case=f"n={n} d={d} seed={seed}")


@pytest.mark.parametrize("group", EACH_GROUP)
@given(data=st.data(), size=st.sampled_from((1e-6, 1e-3, 1.0)))
def test_off_zero_the_loss_measures_how_far_the_map_is_from_the_group(
    group: Group, data: st.DataObject, size: float
) -> None:
    """For za = z M^T the Gram difference is z (J - M^T J conj M) z^H, so the smallest singular value bounds it."""
    n, d, seed = data.draw(sizes(group))
    z, G, J = group.points(n, d, seed), data.draw(group.elements(d)), group.matrix(d)
    M = G + size * torch.from_numpy(strategies.generator("off the group", seed).standard_normal((d, d)))
    gap, defect = root_of_sum(group.form(d), z, z @ M.mT), form_defect(J, M)
    slack = EXACT * max(1.0, float(torch.linalg.matrix_norm(M)) ** 2)
    bound = gap / smallest_singular_value(z) ** 2
    observe(group.statement, residual=max(0.0, defect - bound), case=f"n={n} d={d} seed={seed} off by {size}")
    assert gap > 0
    assert defect <= bound + CONDITION * slack
    assert gap <= float(torch.linalg.matrix_norm(z, ord=2)) ** 2 * defect + n * slack


@pytest.mark.parametrize("group", EACH_GROUP)
def test_minimising_from_random_starts_ends_at_an_element_of_the_group(group: Group) -> None:
    n, d, descents = 8, 4, []
    form = group.form(d)
    for seed in range(4):
        z = group.points(n, d, seed)
        start = torch.view_as_real(z) if z.is_complex() else z
        start = start + torch.from_numpy(strategies.generator("start", seed).standard_normal(tuple(start.shape)))
        rows = torch.view_as_complex if z.is_complex() else torch.clone
        descent = minimise(lambda x, z=z, rows=rows: form_equivariance(form, z, rows(x)), start, steps=500)
        descents.append(descent)
        if descent.at_zero:
            G, misfit = recovered_map(z, rows(descent.iterates[-1]))
            residual = max(form_defect(group.matrix(d), G), misfit)
            observe_bound(group.statement, value=residual, bound=1e-6, case=f"n={n} d={d} seed={seed} minimised")
            assert residual <= 1e-6
    observe_starts(group.statement, len(descents), stuck_of(descents))
    assert sum(descent.at_zero for descent in descents) >= 2


@pytest.mark.parametrize(
    ("name", "rows", "null"),
    [
        ("lorentz", [[1.0, 0, 0], [1.0, 0, 0]], [0, 1.0, 1.0]),
        ("symplectic", [[1.0, 0, 0, 0], [0, 0, 1.0, 0], [1.0, 0, 0, 0]], [0, 1.0, 0, 0]),
    ],
    ids=["lorentz", "symplectic"],
)
@pytest.mark.statement("other-groups-lorentz", "other-groups-symplectic")
def test_a_null_vector_beside_one_of_two_equal_rows_is_not_seen(
    name: str, rows: list[list[float]], null: list[float]
) -> None:
    """The span of the embeddings is non-degenerate, that of the views is not, and no map separates equal rows."""
    z, d, statement = torch.tensor(rows).double(), len(null), f"other-groups-{name}"
    za = z.clone()
    za[-1] += torch.tensor(null).double()
    form, misfit = GROUPS[name].form(d), recovered_map(z, za)[1]
    degenerate = [torch.linalg.matrix_rank(gram(form, view)) < torch.linalg.matrix_rank(view) for view in (z, za)]
    observe_counterexample(statement, value=misfit, case=f"n={len(z)} d={d} equal rows, and a null vector apart")
    assert degenerate == [False, True]
    assert form_equivariance(form, z, za) == 0
    assert misfit > 0.5


@pytest.mark.statement("other-groups-lorentz")
@given(dimension=st.integers(2, 4), data=st.data(), seed=strategies.seeds())
def test_the_lorentz_group_moves_geomstats_hyperboloid(dimension: int, data: st.DataObject, seed: int) -> None:
    space = Hyperboloid(dimension)  # time first; here time is last
    intrinsic = strategies.generator("hyperboloid", seed).uniform(-1, 1, (dimension + 4, dimension))
    first = space.from_coordinates(intrinsic, "intrinsic")
    z, form = torch.from_numpy(np.roll(first, -1, axis=1)), minkowski(dimension, 1)
    inner = space.embedding_space.metric.inner_product(first[:, None], first[None])
    assert gram(form, z).numpy() == pytest.approx(inner, abs=EXACT)
    assert gram(form, z).diagonal().numpy() == pytest.approx(-1, abs=EXACT)

    G = data.draw(strategies.lorentz(dimension, 1))
    moved = np.roll((z @ G.mT).numpy(), 1, axis=1)
    assert space.belongs(moved, atol=1e-8).all()
    before, after = (space.metric.dist(points[0], points[1:]) for points in (first, moved))
    residual = float(np.abs(before - after).max())
    case = f"n={len(z)} d={dimension + 1} seed={seed} hyperboloid"
    observe_bound("other-groups-lorentz", value=residual, bound=1e-6, case=case)
    assert residual <= 1e-6  # arccosh loses half of the digits where points are close
    assert root_of_sum(form, z, z @ G.mT) <= EXACT * len(z) * float(G.norm()) ** 2

    pushed = moved.copy()
    pushed[0] = space.metric.exp(space.to_tangent(np.ones(dimension + 1), moved[0]), moved[0])
    assert space.belongs(pushed, atol=1e-8).all()  # its Gram diagonal is as before
    assert root_of_sum(form, z, torch.from_numpy(np.roll(pushed, -1, axis=1))) > 1e-3


@pytest.mark.statement("other-groups-unitary")
@given(
    n=st.integers(1, 12),
    d=st.integers(1, 6),
    seed=strategies.seeds(),
    kind=st.sampled_from(("uniform", "collinear", "rank_deficient")),
)
def test_a_definite_form_needs_no_condition_on_the_span(n: int, d: int, seed: int, kind: str) -> None:
    phases = strategies.generator("phases", seed).uniform(0, 2 * math.pi, (n, 1))
    z = strategies.make_points(n, d, seed, kind) * torch.from_numpy(np.exp(1j * phases))
    za = unitary_rows(gram(hermitian, z), d)
    G, misfit = unitary_procrustes(z, za)
    observe_bound("other-groups-unitary", value=misfit, bound=1e-6, case=f"n={n} d={d} seed={seed} {kind}")
    assert root_of_sum(hermitian, z, za) <= EXACT
    assert form_defect(torch.eye(d, dtype=torch.complex128), G) <= EXACT
    assert misfit <= 1e-6  # the square root of a Gram eigenvalue that is rounding error


def transposed(form: Form, z: Tensor, za: Tensor) -> Tensor:
    """The loss against the transposed Gram matrix."""
    return (gram(form, z).mT - gram(form, za)).abs().square().mean()


def of_another_form(form: Form, z: Tensor, za: Tensor) -> Tensor:
    """The loss that forgets the minus sign of time."""
    return form_equivariance(euclidean, z, za)


def without_diagonal(form: Form, z: Tensor, za: Tensor) -> Tensor:
    """The loss over the pairs i != j only."""
    difference = gram(form, z) - gram(form, za)
    return (difference - torch.diag(difference.diagonal())).abs().square().mean()


@pytest.mark.parametrize(
    ("name", "planted", "broken"),
    [
        ("lorentz", lambda z: z[:, [0, 1, 3, 2]], of_another_form),  # space and time exchanged
        ("lorentz", lambda z: z @ signs(1.0, 1.0, 1.0, 2.0), without_diagonal),
        ("symplectic", lambda z: z @ signs(1.0, 1.0, -1.0, -1.0), transposed),  # momenta reversed
        ("unitary", lambda z: z.conj(), transposed),
        ("unitary", lambda z: z * torch.tensor([2.0, 1, 1, 1]), without_diagonal),
    ],
)
def test_a_planted_loss_that_is_zero_for_views_no_element_relates_is_caught(name, planted, broken) -> None:
    group, d = GROUPS[name], 4
    z = torch.eye(d, dtype=group.matrix(d).dtype) if broken is without_diagonal else group.points(8, d, seed=0)
    za, form = planted(z), group.form(d)
    gap = len(z) * math.sqrt(broken(form, z, za).item())
    assert gap <= EXACT
    with pytest.raises(AssertionError, match="zero loss, yet"):
        hold_element(gap, z, za, group.matrix(d))
    assert root_of_sum(form, z, za) > 0.1
