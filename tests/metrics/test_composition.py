from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation
from scipy.stats import ortho_group

from care_bench.metrics import composition_error, wahba


def draw(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def measure(z, za, zaa, **options):
    return composition_error(*(torch.from_numpy(x) for x in (z, za, zaa)), **options)


def turn(degrees):
    angle = math.radians(degrees)
    return torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)


@pytest.mark.parametrize(("n", "d"), [(2, 1), (5, 3), (40, 8)])
def test_agrees_with_numpy_and_scipy(n, d):
    z, za, zaa = draw((n, d), 0), draw((n, d), 1), draw((n, d), 2)
    # Row form: za ~ z @ right, so the product of the parts is right_a @ right_b, and its transpose acts on columns.
    right_a, right_b, right = (orthogonal_procrustes(*pair)[0] for pair in ((z, za), (za, zaa), (z, zaa)))
    defect = right - right_a @ right_b
    result = measure(z, za, zaa)
    assert result.frobenius.item() == pytest.approx(np.linalg.norm(defect), abs=1e-10)
    assert result.spectral.item() == pytest.approx(np.linalg.norm(defect, 2), abs=1e-10)
    rms = math.sqrt(np.mean(np.linalg.norm(z @ defect, axis=1) ** 2))
    assert result.per_sample.item() == pytest.approx(rms, abs=1e-10)


def test_rotations_of_space_agree_with_scipy():
    z, za, zaa = draw((20, 3), 0), draw((20, 3), 1), draw((20, 3), 2)
    a, b, whole = (Rotation.align_vectors(*pair)[0] for pair in ((za, z), (zaa, za), (zaa, z)))
    expected = np.linalg.norm(whole.as_matrix() - b.as_matrix() @ a.as_matrix())
    assert expected > 0.1
    assert measure(z, za, zaa, group="SO").frobenius.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("dimension", [2, 5])
def test_zero_for_orthogonal_maps_that_do_not_commute(dimension):
    z = draw((12, dimension), 0)
    a, b = (ortho_group.rvs(dimension, random_state=seed) for seed in (1, 2))
    assert np.linalg.norm(a @ b - b @ a) > 0.1
    result = measure(z, z @ a.T, z @ a.T @ b.T)
    for error in (result.frobenius, result.spectral, result.per_sample):
        assert error.item() == pytest.approx(0, abs=1e-12)


def test_hand_case_in_the_plane():
    # a is the identity; a' turns e1 by 40 and e2 by -20 degrees. The best map of both a' and a'a turns by the mean, so
    # the composition is exact although the fit is not.
    z = torch.eye(2, dtype=torch.float64)
    zaa = torch.stack([turn(40) @ z[0], turn(-20) @ z[1]])
    assert composition_error(z, z, zaa).frobenius.item() == pytest.approx(0, abs=1e-12)
    # Now a exchanges e1 and e2, which is a reflection, and a' exchanges them back. Over O(2) all maps are exact; the
    # product of the two reflections is the identity.
    swapped = z.flip(0)
    assert composition_error(z, swapped, z).frobenius.item() == pytest.approx(0, abs=1e-12)


def test_hand_case_with_three_points_of_the_plane():
    # If points of norm w are turned by angles t, the angle of the best rotation is the argument of the sum of
    # w^2 exp(i t). a turns only the point of norm 3, a' only the points of norm 1.
    z = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    za = torch.cat([z[:1] @ turn(30).T, z[1:]])
    zaa = torch.cat([za[:1], za[1:] @ turn(-50).T])

    def angle(*moves):
        return np.angle(sum(weight**2 * np.exp(1j * math.radians(degrees)) for weight, degrees in moves))

    whole = angle((3, 30), (1, -50), (1, -50))
    parts = angle((3, 30), (1, 0), (1, 0)) + angle((3, 0), (1, -50), (1, -50))
    apart = abs(whole - parts)
    assert apart > 0.01
    result = composition_error(z, za, zaa, group="SO")
    # Two rotations of the plane whose angles differ by t move every unit vector 2 sin(t / 2) apart.
    distance = 2 * math.sin(apart / 2)
    assert result.spectral.item() == pytest.approx(distance, abs=1e-12)
    assert result.frobenius.item() == pytest.approx(math.sqrt(2) * distance, abs=1e-12)
    assert result.per_sample.item() == pytest.approx(math.sqrt((9 + 1 + 1) / 3) * distance, abs=1e-12)


def test_per_sample_depends_only_on_directions_of_embeddings():
    # All embeddings are on one line of R^4, so the maps are unique on that line only.
    z = draw((9, 1), 0) * draw((1, 4), 1)
    a, b = ortho_group.rvs(4, random_state=1), ortho_group.rvs(4, random_state=2)
    assert measure(z, z @ a.T, z @ a.T @ b.T).per_sample.item() == pytest.approx(0, abs=1e-12)


def test_leading_dimensions_are_kept():
    z, za, zaa = draw((10, 3), 0), draw((2, 5, 10, 3), 1), draw((2, 5, 10, 3), 2)
    result = measure(z, za, zaa)
    assert result.frobenius.shape == result.spectral.shape == result.per_sample.shape == (2, 5)
    alone = measure(z, za[1, 2], zaa[1, 2])
    assert alone.frobenius.shape == ()
    for name in ("frobenius", "spectral", "per_sample"):
        assert getattr(result, name)[1, 2].item() == pytest.approx(getattr(alone, name).item(), rel=1e-12)


def test_single_precision_stays_single():
    z, a = draw((50, 6), 0).astype(np.float32), ortho_group.rvs(6, random_state=3).astype(np.float32)
    result = measure(z, z @ a.T, z @ a.T @ a.T)
    assert result.frobenius.dtype == torch.float32
    assert result.frobenius.item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5, 3), (5, 3), (4, 3)), r"zaa has shape \(4, 3\); expected \(5, 3\), as za"),
        (((5, 3), (2, 5, 3), (5, 3)), r"zaa has shape \(5, 3\); expected \(2, 5, 3\), as za"),
        (((5, 3), (4, 3), (4, 3)), r"za has shape \(4, 3\)"),
    ],
)
def test_refuses_the_shape(shapes, message):
    with pytest.raises(ValueError, match=message):
        composition_error(*(torch.ones(shape) for shape in shapes))


def test_refuses_an_unknown_group():
    with pytest.raises(ValueError, match="group is 'U'"):
        composition_error(torch.eye(2), torch.eye(2), torch.eye(2), group="U")


def test_refuses_what_is_not_finite():
    bad = torch.eye(3)
    bad[0, 1] = torch.nan
    with pytest.raises(ValueError, match="1 of 9 values that are not finite"):
        composition_error(torch.eye(3), torch.eye(3), bad)


def test_known_maps_are_not_fitted_again():
    z, za, zaa = draw((20, 4), 0), draw((2, 20, 4), 1), draw((2, 20, 4), 2)
    expected = measure(z, za, zaa)
    known = wahba(torch.from_numpy(z), torch.from_numpy(za), "O").rotation
    assert measure(z, za, zaa, known=known).defect.numpy() == pytest.approx(expected.defect.numpy(), abs=1e-12)
    turned = known @ torch.from_numpy(ortho_group.rvs(4, random_state=3))
    assert not np.allclose(measure(z, za, zaa, known=turned).per_sample, expected.per_sample, atol=1e-2)
