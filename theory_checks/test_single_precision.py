"""float32, as training runs: how small a loss can be told from zero, and what Prop. 3 says of it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from care_bench.losses import equivariance
from care_bench.metrics import wahba
from theory_checks.measures_bounds import SHARP, inverse_norm, is_admissible
from theory_checks.observing import Statement, observe_bound, observe_counterexample
from theory_checks.strategies import generator, make_full_rank_points, make_orthogonal, ranks, seeds, spectra

STATEMENTS = (
    Statement(
        "float32-loss",
        "In float32 the root of the loss is within 2u = 1.2e-7 of that in float64: a loss below 1.4e-14 is rounding.",
        "Eq. 2, in float32",
        "holds with assumption: coordinates of both signs; where they are alike rounding errors add up, to about 20u "
        "in 250 dimensions and never above 4(d+3)u",
    ),
    Statement(
        "float32-prop-3",
        "From a loss in float32 the residual is at most (2√2-2)^(-1/2)‖A†‖(ε² + 4nu), plus its own rounding √n u.",
        "Prop. 3, in float32",
        "holds with assumption: A has full rank, ‖A†‖ε <= 1/√2, and the loss is as exact as float32-loss says",
    ),
)
ROUNDING = torch.finfo(torch.float32).eps / 2
"""The unit roundoff u."""


def views(n: int, d: int, seed: int, smallest: float | None, size: float) -> tuple[Tensor, Tensor]:
    """Return float32 rows and their image under an orthogonal map, each row then moved by about ``size``."""
    a = make_full_rank_points(n, d, seed, smallest).float()
    step = torch.from_numpy(generator("single", seed).standard_normal((n, d)))
    b = torch.nn.functional.normalize(a.double() @ make_orthogonal(d, seed).mT + size / math.sqrt(d) * step, dim=1)
    return a, b.float()


@pytest.mark.statement("float32-loss")
@given(
    d=ranks(2), more=st.integers(0, 32), seed=seeds(), smallest=spectra(), size=st.sampled_from([0.0, 1e-6, 1e-3, 1.0])
)
def test_the_loss_in_single_precision(d: int, more: int, seed: int, smallest: float | None, size: float) -> None:
    a, b = views(d + more, d, seed, smallest, size)
    single, double = (math.sqrt(float(equivariance(*pair, splits=1))) for pair in ((a, b), (a.double(), b.double())))
    case = f"n={len(a)} d={d} seed={seed} moved by {size:g}"
    observe_bound("float32-loss", value=abs(single - double), bound=2 * ROUNDING, case=case)
    assert abs(single - double) <= 2 * ROUNDING + 1e-6 * double


@pytest.mark.statement("float32-loss")
def test_equal_coordinates_add_their_rounding_errors_up() -> None:
    worst, d = 0.0, 256
    one, n = torch.eye(d)[:1], 2
    for equal in range(1, d + 1):
        row = torch.zeros(1, d)
        row[:, :equal] = 1 / math.sqrt(equal)
        pair = row.repeat(n, 1), one.repeat(n, 1)
        single, double = (
            math.sqrt(float(equivariance(*views, splits=1))) for views in (pair, [rows.double() for rows in pair])
        )
        worst = max(worst, abs(single - double))
    observe_counterexample("float32-loss", value=worst, bound=2 * ROUNDING, case=f"n={n} d={d} equal coordinates")
    assert 2 * ROUNDING < worst <= 4 * (d + 3) * ROUNDING


@pytest.mark.statement("float32-prop-3")
@given(d=ranks(2), more=st.integers(0, 32), seed=seeds(), smallest=spectra(), size=st.sampled_from([0.0, 1e-6, 1e-4]))
def test_prop_3_in_single_precision(d: int, more: int, seed: int, smallest: float | None, size: float) -> None:
    a, b = views(d + more, d, seed, smallest, size)
    n = len(a)
    # The loss leaves out the pairs i = i, where rows of rounded length differ, and has rounding of its own.
    gap = math.sqrt(n * (n - 1) * float(equivariance(a, b, splits=1))) + 4 * n * ROUNDING
    bound = SHARP * inverse_norm(a.double()) * gap + math.sqrt(n) * ROUNDING
    residual = float(wahba(a, b, group="O").error)
    if is_admissible(a.double(), gap):
        case = f"n={n} d={d} seed={seed} moved by {size:g}"
        observe_bound("float32-prop-3", value=residual, bound=bound, case=case)
    assert residual <= bound


@pytest.mark.parametrize("d", [2, 128])
def test_control_half_precision_is_seen(d: int) -> None:
    a, b = views(d + 8, d, 0, None, 0.0)
    rounded = [rows.half().float() for rows in (a, b)]
    assert math.sqrt(float(equivariance(*rounded, splits=1))) > 100 * ROUNDING
