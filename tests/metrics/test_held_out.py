from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import lstsq, null_space, orthogonal_procrustes
from scipy.stats import ortho_group

from care_bench.metrics import held_out_errors, orthogonal_maps


def draw(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def half(n, seed=9):
    return np.random.default_rng(seed).permutation(n) < n // 2


def measure(z, za, fitted):
    return held_out_errors(*map(torch.from_numpy, (z, za, fitted)))


def fractions(found):
    return (found.orthogonal / found.identity).numpy(), (found.linear / found.identity).numpy()


def rms(rows):
    return np.sqrt((rows**2).sum(axis=1).mean())


@pytest.mark.parametrize("d", [1, 6, 19])
def test_agrees_with_scipy(d):
    z, za, fitted = draw((40, d), 0), draw((3, 40, d), 1), half(40)
    za += 2 * z @ ortho_group.rvs(d, random_state=2) if d > 1 else 0
    found = measure(z, za, fitted)
    for i, view in enumerate(za):
        right, _ = orthogonal_procrustes(z[fitted], view[fitted])
        linear = lstsq(z[fitted], view[fitted])[0]
        assert found.orthogonal[i].item() == pytest.approx(rms(view[~fitted] - z[~fitted] @ right), rel=1e-9)
        assert found.linear[i].item() == pytest.approx(rms(view[~fitted] - z[~fitted] @ linear), rel=1e-9)
        assert found.identity[i].item() == pytest.approx(rms(view[~fitted] - z[~fitted]), rel=1e-12)
    assert found.moved.all()


def test_an_exact_orthogonal_map_explains_everything():
    z = draw((60, 8), 0)
    rotation, linear = fractions(measure(z, z @ ortho_group.rvs(8, random_state=1), half(60)))
    assert rotation == pytest.approx(0, abs=1e-12)
    assert linear == pytest.approx(0, abs=1e-12)


def test_a_linear_map_that_is_no_rotation_is_told_apart():
    z = draw((200, 4), 0)
    rotation, linear = fractions(measure(z, z @ np.diag([3.0, 3, 0.1, 0.1]), half(200)))
    assert rotation > 0.9
    assert linear == pytest.approx(0, abs=1e-12)


def test_unrelated_views_are_explained_by_no_map():
    # With far more samples than dimensions neither map fits noise. The best rotation leaves |f|^2 + |f'|^2, as the
    # identity does; the best linear map predicts the mean, and leaves half of it.
    rotation, linear = fractions(measure(draw((20000, 3), 0), draw((20000, 3), 1), half(20000)))
    assert rotation == pytest.approx(1, abs=0.02)
    assert linear == pytest.approx(0.5**0.5, abs=0.02)


def test_fitting_noise_does_not_help_on_other_samples():
    z = draw((60, 20), 0)
    za = z + 0.5 * draw((60, 20), 1)
    fitted = half(60)
    rotation, linear = fractions(measure(z, za, fitted))
    assert rotation > 1
    assert linear > rotation
    right, _ = orthogonal_procrustes(z[fitted], za[fitted])
    assert rms(za[fitted] - z[fitted] @ right) < 0.9 * rms(za[fitted] - z[fitted])


def test_directions_that_no_sample_moves_into_stay_as_they_are():
    z = np.eye(6)
    za = z.copy()
    za[:2] = z[[1, 0]]  # the fitted samples change places, the others do not move
    fitted = np.arange(6) < 2
    (found,) = orthogonal_maps(*map(torch.from_numpy, (z, za, fitted)))
    assert found(torch.from_numpy(z)).numpy() == pytest.approx(za, abs=1e-12)


@pytest.mark.parametrize(
    ("samples", "d", "rank"), [(8, 9, 8), (5, 9, 5), (3, 9, 3), (1, 9, 1), (40, 9, 4), (40, 9, 9), (4, 1, 1)]
)
def test_of_all_best_maps_in_o_of_d_it_is_the_one_nearest_to_the_identity(samples, d, rank):
    """Few samples, or many of few dimensions, leave directions open: where these go is scipy's complement's best."""
    z = draw((2 * samples, rank), 0) @ draw((rank, d), 1)
    za = z @ ortho_group.rvs(d, random_state=2) if d > 1 else -z
    za += 0.2 * draw((2 * samples, rank), 3) @ draw((rank, rank), 4) @ draw((rank, d), 5) if rank < d else 0
    fitted = np.arange(2 * samples) % 2 == 0
    (found,) = orthogonal_maps(*map(torch.from_numpy, (z, za, fitted)))
    matrix = found(torch.eye(d, dtype=torch.float64)).numpy()  # rows: where each axis goes
    assert matrix @ matrix.T == pytest.approx(np.eye(d), abs=1e-12)

    cross = z[fitted].T @ za[fitted]
    u, singular, vh = np.linalg.svd(cross)
    decided = int((singular > 1e-10 * singular[0]).sum())
    assert np.trace(matrix.T @ cross) == pytest.approx(singular.sum(), rel=1e-12)  # it is one of the best maps
    # Those agree on the span of the samples; the trace of the rest is at most the sum of these singular values.
    rest = np.linalg.svd(null_space(u[:, :decided].T).T @ null_space(vh[:decided]), compute_uv=False).sum()
    nearest = np.trace(u[:, :decided] @ vh[:decided]) + (rest if decided < d else 0)
    assert np.trace(matrix) == pytest.approx(nearest, abs=1e-10)


def test_draws_that_move_nothing_are_named():
    z = draw((10, 3), 0)
    found = measure(z, np.stack([z, z + 1e-7, z[::-1]]), half(10))
    assert found.moved.tolist() == [False, False, True]


@pytest.mark.parametrize("fitted", [torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool), torch.ones(4)])
def test_refuses_a_part_without_samples(fitted):
    with pytest.raises(ValueError, match=r"samples are fitted|expected \(4,\) bool"):
        held_out_errors(torch.eye(4), torch.eye(4), fitted)
