"""Cor. 1: where the loss is zero and the embeddings span R^d, maps compose as augmentations do.

The maps are fitted by Procrustes on embeddings before and after each augmentation. The fit does not know which
representation the encoder uses. Here augmentations carry the data into itself.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from care_bench.losses import Equivariance
from care_bench.metrics import wahba
from theory_checks import measures
from theory_checks.acting_groups import FiniteGroup, cyclic, dihedral, encode_circle, encode_directions, permutations
from theory_checks.observing import Statement, observe, observe_counterexample
from theory_checks.strategies import generator, make_orthogonal, make_points, seeds
from theory_checks.tolerances import EXACT

ASSUMPTION = "holds with assumption: augmentations carry the data into itself"
TEXT = "Zero loss and embeddings that span R^d give rho(a'a) = rho(a') rho(a)"
STATEMENTS = (
    Statement("cor-1-finite-groups", f"{TEXT}, for cyclic and dihedral groups.", "Cor. 1", ASSUMPTION),
    Statement("cor-1-permutations", f"{TEXT}, for all permutations of coordinates.", "Cor. 1", ASSUMPTION),
    Statement("cor-1-circle", f"{TEXT}, for SO(2) acting on the circle.", "Cor. 1", ASSUMPTION),
    Statement("cor-1-rotations", f"{TEXT}, for SO(3) acting on directions.", "Cor. 1", ASSUMPTION),
    Statement("cor-1-inverse", "rho(identity) = I and rho(a^-1) = rho(a)^T.", "Cor. 1", ASSUMPTION),
    Statement(
        "cor-1-span",
        "Maps that fit all embeddings compose as augmentations do.",
        "Cor. 1",
        "holds with assumption: augmentations carry the data into itself, and the embeddings span R^d; below full rank "
        "maps that fit exactly need not compose",
    ),
)
FINITE = [cyclic(m) for m in (1, 2, 3, 5, 8)] + [dihedral(m) for m in (1, 2, 3, 4, 6)]
PERMUTATIONS = [permutations(m) for m in (2, 3, 4)]


def fitted_maps(plain: Tensor, views: Tensor) -> Tensor:
    """Return R_a of every view, after asserting that the loss is zero for each."""
    loss = Equivariance(splits=len(views))(plain.repeat(len(views), 1), views.flatten(0, 1))
    assert float(loss) <= EXACT**2
    return wahba(plain, views, group="O").rotation


def fitted_group(group: FiniteGroup, seed: int) -> Tensor:
    """Return R_a of every element of a finite group, from as many orbits as the representation has dimensions."""
    return fitted_maps(*group.augmented(group.orbits(group.representation.shape[-1] + 1, seed)))


def random_turns(count: int, seed: int) -> Tensor:
    return torch.stack([make_orthogonal(3, seed + i, "special") for i in range(count)])


def test_the_groups_are_groups_and_their_representations_homomorphisms() -> None:
    """The tables are Latin squares and associative, and the maps are orthogonal and compose."""
    for group in FINITE + PERMUTATIONS:
        table, elements = group.table, torch.arange(len(group.table))
        assert (table.sort(dim=0)[0] == elements[:, None]).all(), group.name
        assert (table.sort(dim=1)[0] == elements).all(), group.name
        assert (table[table] == table[:, table]).all(), group.name
        assert measures.composition_defect(group.representation, table) < 1e-12, group.name
        assert max(map(measures.orthogonality_defect, group.representation)) < 1e-12, group.name


@pytest.mark.parametrize(
    ("statement", "groups"),
    [
        pytest.param(name, groups, id=name, marks=pytest.mark.statement(name))
        for name, groups in (("cor-1-finite-groups", FINITE), ("cor-1-permutations", PERMUTATIONS))
    ],
)
@given(data=st.data(), seed=seeds())
def test_maps_of_finite_groups_compose(
    statement: str, groups: list[FiniteGroup], data: st.DataObject, seed: int
) -> None:
    group = data.draw(st.sampled_from(groups))
    residual = measures.composition_defect(fitted_group(group, seed), group.table)
    observe(statement, residual=residual, case=f"{group.name} seed={seed}")
    assert residual <= EXACT


@pytest.mark.statement("cor-1-circle")
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4, unique=True), st.floats(-7, 7), st.floats(-7, 7), seeds())
def test_maps_of_turns_of_the_circle_compose(frequencies: list[int], first: float, second: float, seed: int) -> None:
    d = 2 * len(frequencies)
    points = torch.from_numpy(generator("circle", seed).uniform(0, 2 * torch.pi, 4 * d))
    turned = [points, points + first, points + second, points + first + second]
    plain, *views = (encode_circle(angles, tuple(frequencies), make_orthogonal(d, seed)) for angles in turned)
    assume(measures.smallest_singular_value(plain) > 0.05)
    r_first, r_second, r_both = fitted_maps(plain, torch.stack(views))
    residual = measures.distance(r_both, r_second @ r_first)
    observe("cor-1-circle", residual=residual, case=f"d={d} frequencies={frequencies} turns={first:.3g},{second:.3g}")
    assert residual <= EXACT


@pytest.mark.statement("cor-1-rotations")
@given(st.integers(16, 64), seeds())
def test_maps_of_rotations_of_space_compose(n: int, seed: int) -> None:
    first, second = random_turns(2, seed)
    points, hidden = make_points(n, 3, seed), make_orthogonal(8, seed)
    turned = [points, points @ first.mT, points @ second.mT, points @ first.mT @ second.mT]
    plain, *views = (encode_directions(directions, hidden) for directions in turned)
    assume(measures.smallest_singular_value(plain) > 0.05)
    r_first, r_second, r_both = fitted_maps(plain, torch.stack(views))
    residual = measures.distance(r_both, r_second @ r_first)
    observe("cor-1-rotations", residual=residual, case=f"n={n} seed={seed}")
    assert residual <= EXACT


@pytest.mark.statement("cor-1-inverse")
@given(st.sampled_from(FINITE + PERMUTATIONS), seeds())
def test_the_identity_fits_as_identity_and_inverses_as_transposes(group: FiniteGroup, seed: int) -> None:
    maps = fitted_group(group, seed)
    identity = int((group.table == torch.arange(len(maps))).all(dim=1).nonzero())
    inverse = (group.table == identity).long().argmax(dim=1)
    eye = torch.eye(maps.shape[-1], dtype=maps.dtype)
    residual = max(measures.distance(maps[identity], eye), float((maps[inverse] - maps.mT).abs().max()))
    observe("cor-1-inverse", residual=residual, case=f"{group.name} seed={seed}")
    assert residual <= EXACT


@pytest.mark.statement("cor-1-span")
@given(st.sampled_from([group for group in FINITE if len(group.table) > 2]), seeds())
def test_below_full_rank_maps_that_fit_need_not_compose(group: FiniteGroup, seed: int) -> None:
    """In one dimension more than the embeddings span, which each R_a may reflect or not, every fit is exact."""
    rows, views = group.augmented(group.orbits(group.representation.shape[-1] + 1, seed))
    maps = fitted_maps(rows, views)
    flips = torch.where(torch.arange(len(maps)) == 0, -1.0, 1.0).double()
    wider = torch.stack([torch.block_diag(r, flip.reshape(1, 1)) for r, flip in zip(maps, flips, strict=True)])
    plain, moved = (torch.nn.functional.pad(z, (0, 1)) for z in (rows, views))
    residual = max(measures.off_map(plain, view, r) for view, r in zip(moved, wider, strict=True))
    observe("cor-1-span", residual=residual, case=f"{group.name} seed={seed}")
    assert residual <= EXACT
    assert max(map(measures.orthogonality_defect, wider)) <= EXACT
    apart = measures.composition_defect(wider, group.table)
    observe_counterexample("cor-1-span", value=apart, case=f"{group.name} seed={seed}")
    assert apart == pytest.approx(2.0)


# What the checks must catch


@pytest.mark.parametrize("group", [dihedral(3), permutations(3), permutations(4)], ids=lambda group: group.name)
def test_control_composition_in_the_wrong_order_is_seen(group: FiniteGroup) -> None:
    """For a group that is not commutative rho(ab) = rho(b) rho(a) fails, so the order of the factors is tested."""
    maps = fitted_group(group, seed=0)
    assert measures.composition_defect(maps, group.table) <= EXACT
    assert measures.composition_defect(maps, group.table.mT) > 1
    assert measures.composition_defect(maps.mT, group.table) > 1


@pytest.mark.parametrize("group", [cyclic(5), dihedral(4), permutations(3)], ids=lambda group: group.name)
def test_control_one_element_with_a_map_of_its_own_is_seen(group: FiniteGroup) -> None:
    """Every augmentation has zero loss, one of them by a rotation of another group: only composition shows it."""
    rows, views = group.augmented(group.orbits(group.representation.shape[-1] + 1, seed=0))
    views[1] = views[1] @ make_orthogonal(rows.shape[1], 5, "near_identity").mT
    defect = measures.composition_defect(fitted_maps(rows, views), group.table)
    assert 1e-4 < defect < 1e-1


def test_control_an_encoder_that_is_not_equivariant_has_positive_loss_and_maps_that_do_not_compose() -> None:
    points, hidden = make_points(64, 3, seed=0), make_orthogonal(8, seed=0)
    skewed = torch.diag(torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64))
    first, second = random_turns(2, seed=0)

    def encode(directions: Tensor) -> Tensor:
        stretched = directions @ skewed
        return encode_directions(stretched / stretched.norm(dim=1, keepdim=True), hidden)

    turned = (points, points @ first.mT, points @ second.mT, points @ first.mT @ second.mT)
    plain, *views = map(encode, turned)
    assert min(measures.equivariance_loss(plain, view) for view in views) > 1e-3
    r_first, r_second, r_both = wahba(plain, torch.stack(views), group="O").rotation
    assert measures.distance(r_both, r_second @ r_first) > 0.1
