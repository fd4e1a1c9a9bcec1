from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from scipy.linalg import expm, orthogonal_procrustes
from scipy.spatial.transform import Rotation
from scipy.stats import ortho_group, special_ortho_group

from care_bench.metrics import wahba, wahba_by_group, wahba_errors


def draw(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def test_agrees_with_scipy_for_rotations_of_space():
    z, za = draw((50, 3), 0), draw((6, 50, 3), 1)
    za[3:] = za[3:] * [1, 1, -1] + z  # half of them are nearer to a reflection
    result = wahba(torch.from_numpy(z), torch.from_numpy(za))
    for i, view in enumerate(za):
        rotation, distance = Rotation.align_vectors(view, z)
        assert result.rotation[i].numpy() == pytest.approx(rotation.as_matrix(), abs=1e-10)
        assert result.error[i].item() == pytest.approx(distance, rel=1e-10)


@pytest.mark.parametrize("dimension", [1, 2, 7])
def test_agrees_with_scipy_for_the_whole_orthogonal_group(dimension):
    z, za = draw((50, dimension), 0), draw((4, 50, dimension), 1)
    result = wahba(torch.from_numpy(z), torch.from_numpy(za), group="O")
    for i, view in enumerate(za):
        right, _ = orthogonal_procrustes(z, view)
        assert result.rotation[i].numpy() == pytest.approx(right.T, abs=1e-10)
        assert result.error[i].item() == pytest.approx(np.linalg.norm(z @ right - view), rel=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 7])
def test_both_groups_from_one_decomposition(dimension):
    z, za = draw((50, dimension), 0), draw((5, 50, dimension), 1)
    za[:2] += 3 * z @ np.diag([-1.0] + [1.0] * (dimension - 1))  # near a reflection
    za[2:4] += 3 * z  # near a rotation
    both = wahba_by_group(torch.from_numpy(z), torch.from_numpy(za))
    assert sorted(both) == ["O", "SO"]
    for i, view in enumerate(za):
        right, _ = orthogonal_procrustes(z, view)
        assert both["O"].rotation[i].numpy() == pytest.approx(right.T, abs=1e-10)
        assert both["O"].error[i].item() == pytest.approx(np.linalg.norm(z @ right - view), rel=1e-12)
        assert torch.linalg.det(both["SO"].rotation[i]).item() == pytest.approx(1, abs=1e-12)
        if np.linalg.det(right) > 0:
            assert both["SO"].error[i].item() == pytest.approx(both["O"].error[i].item(), rel=1e-12)
        else:
            assert both["SO"].error[i].item() > both["O"].error[i].item() + 1e-3
    assert torch.linalg.det(both["O"].rotation[:4]).sign().tolist() == [-1, -1, 1, 1]


@pytest.mark.parametrize("seed", range(6))
def test_rotation_in_higher_dimension_is_special_and_the_best(seed):
    z, za = draw((40, 6), seed), draw((40, 6), 100 + seed)
    result = wahba(torch.from_numpy(z), torch.from_numpy(za))
    rotation = result.rotation.numpy()
    assert rotation @ rotation.T == pytest.approx(np.eye(6), abs=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-12)

    sigma = np.linalg.svd(za.T @ z, compute_uv=False)
    sigma[-1] *= np.sign(np.linalg.det(za.T @ z))
    closed_form = math.sqrt((z**2).sum() + (za**2).sum() - 2 * sigma.sum())
    assert result.error.item() == pytest.approx(closed_form, rel=1e-12)

    for size in (1e-3, 0.1, 1.0):
        skew = draw((6, 6), 200 + seed)
        other = rotation @ expm(size * (skew - skew.T))
        assert np.linalg.norm(za - z @ other.T) > result.error.item()


def test_finds_the_rotation_that_was_applied():
    z, turn = draw((30, 5), 0), special_ortho_group.rvs(5, random_state=1)
    result = wahba(torch.from_numpy(z), torch.from_numpy(z @ turn.T))
    assert result.rotation.numpy() == pytest.approx(turn, abs=1e-12)
    assert result.error.item() < 1e-12  # the closed form's cancellation would leave about 1e-6


def test_reflection_is_in_o_and_not_in_so():
    z, za = torch.eye(2, dtype=torch.float64), torch.tensor([[-1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert wahba(z, za, group="O").error.item() == pytest.approx(0, abs=1e-14)
    # A rotation times a reflection of the plane has trace zero: the squared error is 2 + 2 - 2 * 0.
    special = wahba(z, za, group="SO")
    assert special.error.item() == pytest.approx(2, abs=1e-14)
    assert special.error_per_sample.item() == pytest.approx(math.sqrt(2), abs=1e-14)


@pytest.mark.parametrize("size", [1e-6, 1e-5, 1e-4, 0.1])
def test_small_errors_keep_their_digits(size):
    z, turn = draw((30, 5), 0), special_ortho_group.rvs(5, random_state=1)
    za = z @ turn.T + size * draw((30, 5), 2)
    result = wahba(torch.from_numpy(z), torch.from_numpy(za), "O")
    right, _ = orthogonal_procrustes(z, za)
    assert result.error.item() == pytest.approx(np.linalg.norm(z @ right - za), rel=1e-8)


def test_few_samples_of_many_dimensions(monkeypatch):
    monkeypatch.setattr(sys.modules[wahba.__module__], "THIN_FROM", 1)
    z, za, turn = draw((10, 24), 0), draw((3, 10, 24), 1), special_ortho_group.rvs(24, random_state=2)
    za[2] = z @ turn.T
    for group, found in wahba_by_group(torch.from_numpy(z), torch.from_numpy(za)).items():
        for view, rotation, error in zip(za, found.rotation.numpy(), found.error.tolist(), strict=True):
            assert rotation @ rotation.T == pytest.approx(np.eye(24), abs=1e-12)
            assert group == "O" or np.linalg.det(rotation) == pytest.approx(1, abs=1e-12)
            right, _ = orthogonal_procrustes(z, view)
            assert error == pytest.approx(np.linalg.norm(z @ right - view), abs=1e-12)
            assert error == pytest.approx(np.linalg.norm(z @ rotation.T - view), abs=1e-12)


@pytest.mark.parametrize(("n", "d", "thin_from"), [(50, 1, 512), (50, 7, 512), (6, 9, 512), (10, 24, 1)])
def test_errors_without_maps(n, d, thin_from, monkeypatch):
    monkeypatch.setattr(sys.modules[wahba.__module__], "THIN_FROM", thin_from)
    z, za, turn = draw((n, d), 0), draw((2, 5, n, d), 1), special_ortho_group.rvs(d, random_state=2) if d > 1 else 1.0
    za[0, 0] = z @ np.atleast_2d(turn)  # the closed form's cancellation would leave about 1e-6
    za[0, 1] += 3 * z @ np.diag([-1.0] + [1.0] * (d - 1))  # near a reflection
    za[1, 2] = z @ np.atleast_2d(turn) + 1e-5 * draw((n, d), 3)
    found = wahba_errors(torch.from_numpy(z), torch.from_numpy(za))
    assert sorted(found) == ["O", "SO"]
    for place in np.ndindex(2, 5):
        right, _ = orthogonal_procrustes(z, za[place])
        best = np.linalg.norm(z @ right - za[place])
        assert found["O"].error[place].item() == pytest.approx(best, rel=1e-8, abs=1e-12)
        sigma = np.linalg.svd(za[place].T @ z, compute_uv=False)
        excess = 4 * sigma[-1] if np.linalg.det(right) < 0 else 0.0
        special = math.sqrt(best**2 + excess)
        assert found["SO"].error[place].item() == pytest.approx(special, rel=1e-7, abs=1e-12)
        for errors in found.values():
            one = errors.error[place].item() / math.sqrt(n)
            assert errors.error_per_sample[place].item() == pytest.approx(one, rel=1e-12)


@pytest.mark.parametrize("eigenvalues_from", [512, 1])
@pytest.mark.parametrize("least", [1.0, 1e-3, 1e-7, 0.0])
def test_errors_of_float32_keep_the_digits_of_float32(least, eigenvalues_from, monkeypatch):
    monkeypatch.setattr(sys.modules[wahba.__module__], "EIGENVALUES_FROM", eigenvalues_from)
    scales = np.array([1.0] * 6 + [least] * 3)
    z, za = (draw(shape, seed) * scales for seed, shape in enumerate(((50, 9), (4, 50, 9))))
    za[:2] = z + 0.3 * za[:2]
    za[1] *= [1, 1, 1, -1, 1, 1, 1, 1, 1]
    found = wahba_errors(*(torch.from_numpy(one.astype(np.float32)) for one in (z, za)))
    for i, view in enumerate(za.astype(np.float32).astype(np.float64)):
        plain = z.astype(np.float32).astype(np.float64)
        sigma = np.linalg.svd(view.T @ plain, compute_uv=False)
        sign = np.linalg.slogdet(view.T @ plain)[0]
        for group, last in (("O", 1.0), ("SO", sign)):
            squared = (plain**2).sum() + (view**2).sum() - 2 * (sigma[:-1].sum() + last * sigma[-1])
            assert found[group].error[i].item() == pytest.approx(math.sqrt(squared), rel=2e-7)


def test_eigenvalues_are_not_taken_where_they_lose_digits(monkeypatch):
    """Of products of rank 2 in 64 dimensions the roots of 62 eigenvalues are rounding: 1e-8 of the largest each."""
    monkeypatch.setattr(sys.modules[wahba.__module__], "EIGENVALUES_FROM", 1)
    z = draw((200, 2), 0) @ draw((2, 64), 1)
    za = (z + 0.1 * draw((200, 2), 2) @ draw((2, 64), 1), draw((200, 64), 3))  # the second needs no such care
    plain, views = (torch.from_numpy(np.asarray(one, dtype=np.float32)) for one in (z, za))
    found = wahba_errors(plain, views)["O"].error
    for error, view in zip(found.tolist(), views.double().numpy(), strict=True):
        source = plain.double().numpy()
        nuclear = np.linalg.svd(view.T @ source, compute_uv=False).sum()
        assert error == pytest.approx(math.sqrt((source**2).sum() + (view**2).sum() - 2 * nuclear), rel=2e-7)


@pytest.mark.parametrize("mean", [0.0, 3.0, 300.0])
def test_eigenvalues_do_where_a_mean_is_larger_than_all_else(mean, monkeypatch):
    """Rounding of the mean's eigenvalue would hide small ones; taken out first, none has to be found by an SVD."""
    module = sys.modules[wahba.__module__]
    monkeypatch.setattr(module, "EIGENVALUES_FROM", 1)
    monkeypatch.setattr(module, "_by_svd", None)
    scales = np.array([1.0] * 20 + [1e-3] * 12)
    z = draw((200, 32), 0) * scales + mean * draw((32,), 1)
    za = z + 0.5 * draw((3, 200, 32), 2)
    plain, views = (torch.from_numpy(one.astype(np.float32)) for one in (z, za))
    found = wahba_errors(plain, views)["O"].error
    for error, view in zip(found.tolist(), views.double().numpy(), strict=True):
        source = plain.double().numpy()
        nuclear = np.linalg.svd(view.T @ source, compute_uv=False).sum()
        squares = (source**2).sum() + (view**2).sum()
        assert squares - 2 * nuclear > 0
        assert error == pytest.approx(math.sqrt(squares - 2 * nuclear), rel=2e-7)


def test_reflection_of_a_subspace_is_a_rotation_of_the_whole():
    z = np.zeros((20, 4))
    z[:, :2] = draw((20, 2), 0)
    result = wahba(torch.from_numpy(z), torch.from_numpy(z * [-1, 1, 1, 1]), group="SO")
    assert result.error.item() == pytest.approx(0, abs=1e-12)
    assert torch.linalg.det(result.rotation).item() == pytest.approx(1, abs=1e-12)


def test_error_per_sample_does_not_grow_with_the_set():
    z, za = draw((30, 4), 0), draw((30, 4), 1)
    once = wahba(torch.from_numpy(z), torch.from_numpy(za))
    thrice = wahba(torch.from_numpy(np.tile(z, (3, 1))), torch.from_numpy(np.tile(za, (3, 1))))
    assert thrice.error_per_sample.item() == pytest.approx(once.error_per_sample.item(), rel=1e-12)
    assert thrice.error.item() == pytest.approx(once.error.item() * math.sqrt(3), rel=1e-12)


def test_leading_dimensions_are_kept():
    z, za = draw((10, 3), 0), draw((2, 5, 10, 3), 1)
    result = wahba(torch.from_numpy(z), torch.from_numpy(za))
    assert (result.rotation.shape, result.error.shape) == ((2, 5, 3, 3), (2, 5))
    assert result.error[1, 2].item() == pytest.approx(Rotation.align_vectors(za[1, 2], z)[1], rel=1e-10)
    assert wahba(torch.from_numpy(z), torch.from_numpy(za[0, 0])).error.shape == ()


def test_single_precision_stays_single_and_is_accurate():
    z, turn = draw((500, 8), 0).astype(np.float32), ortho_group.rvs(8, random_state=3).astype(np.float32)
    noise = 1e-3 * draw((500, 8), 1).astype(np.float32)
    za = z @ turn.T + noise
    result = wahba(torch.from_numpy(z), torch.from_numpy(za), group="O")
    right, _ = orthogonal_procrustes(z.astype(float), za.astype(float))
    assert result.rotation.dtype == result.error.dtype == torch.float32
    assert result.error.item() == pytest.approx(np.linalg.norm(z.astype(float) @ right - za), rel=1e-6)
    assert (torch.from_numpy(z) @ result.rotation.T).numpy() == pytest.approx(z @ right, abs=1e-5)


@pytest.mark.parametrize(
    ("z", "za", "message"),
    [
        ((5, 3), (4, 3), r"za has shape \(4, 3\); expected \(\.\.\., 5, 3\)"),
        ((5, 3), (5,), r"za has shape \(5,\)"),
        ((5,), (5,), r"z has shape \(5,\)"),
        ((5, 3), (0, 5, 3), r"za has shape \(0, 5, 3\)"),
    ],
)
def test_refuses_the_shape(z, za, message):
    with pytest.raises(ValueError, match=message):
        wahba(torch.ones(z), torch.ones(za))


def test_refuses_what_is_not_finite_and_an_unknown_group():
    bad = torch.eye(3)
    bad[0, 1] = torch.nan
    with pytest.raises(ValueError, match="za holds 1 of 9 values that are not finite"):
        wahba(torch.eye(3), bad)
    with pytest.raises(ValueError, match=r"z has dtype torch\.int64"):
        wahba(torch.eye(3, dtype=torch.int64), torch.eye(3))
    with pytest.raises(ValueError, match="group is 'U'; expected one of SO, O"):
        wahba(torch.eye(3), torch.eye(3), group="U")
