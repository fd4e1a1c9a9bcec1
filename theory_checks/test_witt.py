"""Witt: when equal Gram matrices under an indefinite or alternating form give an element of the group."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from care_bench.losses import form_equivariance, gram, minkowski, symplectic
from theory_checks import strategies
from theory_checks.form_groups import CONDITION, GROUPS, hold_element, root_of_sum, signs
from theory_checks.measures import smallest_singular_value
from theory_checks.measures_other_groups import (
    form_defect,
    lorentz_extension,
    lorentz_rows,
    null_to_null,
    recovered_map,
)
from theory_checks.observing import Statement, observe, observe_counterexample
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        "point-5-degenerate-span",
        "Under an indefinite or alternating form equal Gram matrices need not come from an element of the group.",
        "point 5",
        "holds with assumption: the span of one view is degenerate (a null vector and the zero vector)",
    ),
)


@pytest.mark.statement("point-5-degenerate-span")
@pytest.mark.parametrize(
    ("form", "null"),
    [
        (minkowski(1, 1), [1.0, 1.0]),
        (minkowski(3, 1), [0.6, 0.0, 0.8, 1.0]),
        (minkowski(2, 2), [1.0, 0.0, 0.0, 1.0]),
        (symplectic, [0.3, -2.0]),
        (symplectic, [1.0, 2.0, 3.0, 4.0]),
    ],
)
@pytest.mark.parametrize(("first", "second"), [((0.0,), (1.0,)), ((1.0, 2.0), (1.0, 3.0)), ((0.0, 1.0), (2.0, 1.0))])
def test_witt_null_vectors_with_equal_gram_matrices_that_no_linear_map_relates(form, null, first, second) -> None:
    """Zero and a null vector, or multiples of a null vector in other proportions, which no linear map changes."""
    vector = torch.tensor(null, dtype=torch.float64)
    z, za = (torch.tensor(lengths, dtype=torch.float64)[:, None] * vector for lengths in (first, second))
    loss, misfit = form_equivariance(form, z, za).item(), recovered_map(z, za)[1]
    case = f"n={len(first)} d={len(null)} lengths {first} and {second}"
    observe("point-5-degenerate-span", residual=loss, case=case)
    observe_counterexample("point-5-degenerate-span", value=misfit, case=case)
    assert loss == pytest.approx(0, abs=1e-30)
    # Rows (s_i v) to (t_i v): the least misfit is |v| times the part of t that s does not explain.
    s, t = np.array(first), np.array(second)
    left = t - s * (s @ t) / max(s @ s, 1e-300)
    assert misfit == pytest.approx(float(np.linalg.norm(left) * np.linalg.norm(null)), rel=1e-12)
    assert misfit > 0.1
    with pytest.raises(AssertionError, match="zero loss, yet"):
        hold_element(loss, z, za, torch.zeros(len(null), len(null), dtype=torch.float64))


@pytest.mark.statement("point-5-degenerate-span")
@pytest.mark.parametrize("name", ["lorentz", "symplectic"])
@given(seed=strategies.seeds(), data=st.data())
def test_witt_beside_a_spanning_set_the_loss_distinguishes_the_null_vector_from_zero(
    name: str, seed: int, data: st.DataObject
) -> None:
    group, d = GROUPS[name], 4
    basis, null = group.points(d, d, seed), torch.tensor([[0.6, 0.0, 0.8, 1.0]], dtype=torch.float64)
    z = torch.cat([basis, torch.zeros_like(null)])
    za = torch.cat([basis, null]) @ data.draw(group.elements(d)).mT
    gap = root_of_sum(group.form(d), z, za)
    # Only the row and the column form(null, basis) change, each by at least sigma_min(basis) |J null|.
    least = math.sqrt(2) * smallest_singular_value(basis) * float(null.norm())
    observe("point-5-degenerate-span", residual=max(0.0, least - gap), case=f"n={d + 1} d={d} seed={seed}")
    assert gap >= least * (1 - 1e-6)


@pytest.mark.statement("point-5-degenerate-span")
@given(d=st.integers(2, 6), seed=strategies.seeds())
def test_witt_two_null_vectors_that_are_not_zero_do_differ_by_a_lorentz_map(d: int, seed: int) -> None:
    """A degenerate span is a problem only where the rows are dependent in one view and independent in the other."""
    directions, lengths = (
        strategies.make_points(2, d - 1, seed),
        strategies.generator("lengths", seed).uniform(0.5, 2, 2),
    )
    start, end = (
        torch.cat([directions, torch.ones(2, 1, dtype=torch.float64)], dim=1) * torch.from_numpy(lengths)[:, None]
    )
    G = null_to_null(start, end)
    residual = max(form_defect(GROUPS["lorentz"].matrix(d), G), float((G @ start - end).norm()))
    observe("point-5-degenerate-span", residual=residual, case=f"n=1 d={d} seed={seed} null to null")
    assert form_equivariance(minkowski(d - 1, 1), start[None], end[None]).item() <= EXACT**2
    assert residual <= EXACT


@pytest.mark.statement("point-5-degenerate-span")
@given(p=st.integers(1, 4), q=st.integers(1, 3), seed=strategies.seeds(), data=st.data())
def test_witt_on_a_non_degenerate_span_the_map_extends_to_an_element(
    p: int, q: int, seed: int, data: st.DataObject
) -> None:
    d, form = p + q, minkowski(p, q)
    k = data.draw(st.integers(1, d - 1))
    z = torch.from_numpy(strategies.generator("subspace", seed).standard_normal((k, d)))
    assume(torch.linalg.eigvalsh(gram(form, z)).abs().min() > 0.2)
    za = lorentz_rows(gram(form, z), p, q) @ data.draw(strategies.lorentz(p, q)).mT
    G = lorentz_extension(z, za, p, q)
    size = max(1.0, float(G.abs().max())) ** 2
    J = signs(*[1.0] * p, *[-1.0] * q)
    residual = max(form_defect(J, G), float((z @ G.mT - za).norm())) / size
    observe("point-5-degenerate-span", residual=residual, case=f"n={k} d={d} seed={seed} p={p} q={q}")
    assert residual <= EXACT * CONDITION
