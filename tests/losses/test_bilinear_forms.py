from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch.autograd import gradcheck, gradgradcheck

from care_bench.losses import Equivariance
from care_bench.losses.bilinear_forms import euclidean, form_equivariance, gram, hermitian, minkowski, symplectic


def gaussian(rows, columns, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, dtype=dtype, generator=generator)


def matrix_of(name, d):
    """Return the matrix J of a form by its definition, form(x, y) = x J conj(y)."""
    half = d // 2
    return {
        "euclidean": np.eye(d),
        "minkowski": np.diag([1.0] * (d - 1) + [-1.0]),
        "symplectic": np.block([[np.zeros((half, half)), np.eye(half)], [-np.eye(half), np.zeros((half, half))]]),
        "hermitian": np.eye(d, dtype=complex),
    }[name]


def form_of(name, d):
    return {
        "euclidean": euclidean,
        "minkowski": minkowski(d - 1, 1),
        "symplectic": symplectic,
        "hermitian": hermitian,
    }[name]


def dtype_of(name):
    return torch.complex128 if name == "hermitian" else torch.float64


def group_element(name, d, seed):
    """exp of a random element of the Lie algebra {X: X^T J + J conj(X) = 0}, found by projecting a random matrix."""
    J = matrix_of(name, d)
    X = gaussian(d, d, seed, dtype_of(name)).numpy() / 2
    X = X - np.linalg.inv(J) @ X.conj().T @ J
    return torch.from_numpy(expm(X / 2))


NAMES = ["euclidean", "minkowski", "symplectic", "hermitian"]


@pytest.mark.parametrize("name", NAMES)
def test_gram_agrees_with_the_forms_matrix_in_numpy(name):
    x = gaussian(5, 4, 0, dtype_of(name))
    expected = x.numpy() @ matrix_of(name, 4) @ x.numpy().conj().T
    assert gram(form_of(name, 4), x).numpy() == pytest.approx(expected, abs=1e-14)


def test_values_by_hand():
    x, y = torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([[5.0, 6, 7, 8]])
    assert euclidean(x, y).item() == 70
    assert minkowski(3, 1)(x, y).item() == 5 + 12 + 21 - 32
    assert minkowski(1, 3)(x, y).item() == 5 - 12 - 21 - 32
    assert minkowski(0, 4)(x, y).item() == -70
    assert symplectic(x, y).item() == (1 * 7 + 2 * 8) - (3 * 5 + 4 * 6)
    assert hermitian(torch.tensor([[1 + 2j, 3j]]), torch.tensor([[2 - 1j, 1.0 + 0j]])).item() == 8j
    # (1+2i) conj(2-i) = (1+2i)(2+i) = 5i, and 3i conj(1) = 3i.


@pytest.mark.parametrize("name", NAMES)
def test_symmetry_of_the_gram_matrix(name):
    g = gram(form_of(name, 4), gaussian(5, 4, 1, dtype_of(name)))
    transposed = -g.mT if name == "symplectic" else g.mH
    assert torch.equal(g, transposed) or (g - transposed).abs().max() < 1e-14
    assert g.abs().max() > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_loss_agrees_with_a_loop_over_all_pairs(name):
    z, za = gaussian(5, 4, 2, dtype_of(name)), gaussian(5, 4, 3, dtype_of(name))
    J, a, b = matrix_of(name, 4), z.numpy(), za.numpy()
    pairs = [abs(a[i] @ J @ a[j].conj() - b[i] @ J @ b[j].conj()) ** 2 for i in range(5) for j in range(5)]
    loss = form_equivariance(form_of(name, 4), z, za)
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(np.mean(pairs), rel=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_zero_for_an_element_of_the_group_and_not_for_one_of_another(name, seed):
    z, g = gaussian(7, 4, seed, dtype_of(name)), group_element(name, 4, seed)
    form = form_of(name, 4)
    assert (g - torch.eye(4)).norm() > 0.5
    assert form_equivariance(form, z, z @ g.mT).item() == pytest.approx(0, abs=1e-24)
    stretch = torch.diag(torch.tensor([1.1, 1, 1, 1], dtype=g.dtype))
    assert form_equivariance(form, z, z @ (stretch @ g).mT).item() > 1e-4


def test_a_rotation_is_not_lorentz_and_a_boost_is_not_orthogonal():
    z = torch.eye(2, dtype=torch.float64)
    boost = torch.tensor([[1.25, 0.75], [0.75, 1.25]], dtype=torch.float64)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    assert form_equivariance(minkowski(1, 1), z, z @ boost.T).item() == 0
    assert form_equivariance(euclidean, z, z @ turn.T).item() == pytest.approx(0, abs=1e-30)
    # Gram matrix of the boosted basis under the dot product: [[2.125, 1.875], [1.875, 2.125]].
    assert form_equivariance(euclidean, z, z @ boost.T).item() == pytest.approx((1.125**2 + 1.875**2) / 2)
    # Gram matrix of the turned basis under diag(1, -1): [[-0.28, 0.96], [0.96, 0.28]], rows of z @ turn^T.
    assert form_equivariance(minkowski(1, 1), z, z @ turn.T).item() == pytest.approx((1.28**2 + 0.96**2) / 2)


def test_on_the_sphere_it_is_the_equivariance_loss_up_to_a_factor_for_the_diagonal(unit_rows):
    z, za = unit_rows(9, 4, 0), unit_rows(9, 4, 1)
    assert form_equivariance(euclidean, z, za).item() == pytest.approx(Equivariance(1)(z, za).item() * 8 / 9, rel=1e-13)


def test_off_the_sphere_only_the_diagonal_shows_a_stretch():
    z = torch.eye(3, dtype=torch.float64)
    stretched = torch.diag(torch.tensor([2.0, 1, 1], dtype=torch.float64))
    assert Equivariance(1)(z, stretched).item() == 0
    assert form_equivariance(euclidean, z, stretched).item() == pytest.approx(3**2 / 9)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    form = form_of(name, 4)
    views = tuple(gaussian(3, 4, seed, dtype_of(name)).requires_grad_() for seed in (0, 1))
    assert gradcheck(lambda x: gram(form, x), views[:1])
    assert gradcheck(lambda a, b: form_equivariance(form, a, b), views)
    assert gradgradcheck(lambda a, b: form_equivariance(form, a, b), views)


def test_gradient_is_zero_where_the_views_agree():
    z = gaussian(3, 4, 0, torch.complex128).requires_grad_()
    assert torch.autograd.grad(form_equivariance(hermitian, z, z.detach()), z)[0].abs().max() == 0


def test_single_precision_resolves_nearly_equal_views():
    z = gaussian(16, 4, 0).float()
    za = z + 1e-5 * gaussian(16, 4, 1).float()
    expected = form_equivariance(minkowski(3, 1), z.double(), za.double()).item()
    J, a, b = matrix_of("minkowski", 4), z.double().numpy(), za.double().numpy()
    assert expected == pytest.approx(np.mean((a @ J @ a.T - b @ J @ b.T) ** 2), rel=1e-6)
    assert form_equivariance(minkowski(3, 1), z, za).item() == pytest.approx(expected, rel=1e-4)


def test_computes_in_single_precision_or_better():
    z, za = gaussian(6, 4, 0), gaussian(6, 4, 1)
    half = form_equivariance(symplectic, z.half(), za.half())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        autocast = form_equivariance(symplectic, z.float(), za.float())
    assert half.dtype == autocast.dtype == torch.float32
    assert autocast.item() == pytest.approx(form_equivariance(symplectic, z, za).item(), rel=1e-5)
    assert hermitian(z.float(), za.to(torch.complex128)).dtype == torch.complex128


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ((4,), (2, 4), r"x has shape \(4,\)"),
        ((2, 4), (1, 2, 4), r"y has shape \(1, 2, 4\)"),
        ((0, 4), (2, 4), r"x has shape \(0, 4\)"),
        ((2, 4), (2, 0), r"y has shape \(2, 0\)"),
        ((2, 4), (3, 6), r"x has shape \(2, 4\) and y \(3, 6\); expected the same number of columns"),
    ],
)
def test_refuses_the_shape(name, x, y, message):
    with pytest.raises(ValueError, match=message):
        form_of(name, 4)(torch.zeros(x), torch.zeros(y))


def test_refuses_a_width_that_does_not_fit_the_form():
    with pytest.raises(ValueError, match=r"shape \(2, 5\) under signature \(3, 1\); expected 4 columns"):
        gram(minkowski(3, 1), torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"shape \(2, 5\) under a symplectic form; expected an even"):
        gram(symplectic, torch.zeros(2, 5))


@pytest.mark.parametrize("form", [euclidean, minkowski(3, 1), symplectic])
def test_refuses_complex_rows_for_a_real_form(form):
    with pytest.raises(ValueError, match=r"dtype torch\.complex64; expected a real floating point type"):
        gram(form, torch.zeros(2, 4, dtype=torch.complex64))


def test_refuses_integers():
    with pytest.raises(ValueError, match=r"x has dtype torch\.int64"):
        gram(hermitian, torch.zeros(2, 4, dtype=torch.int64))


@pytest.mark.parametrize(("p", "q"), [(-1, 2), (2, -1), (1.0, 1), (1, True), (0, 0)])
def test_refuses_the_signature(p, q):
    with pytest.raises(ValueError, match=r"(is -1|is 1\.0|is True|both 0)"):
        minkowski(p, q)


def test_refuses_views_of_different_shapes():
    with pytest.raises(ValueError, match=r"z has shape \(3, 4\) and za \(2, 4\)"):
        form_equivariance(euclidean, torch.zeros(3, 4), torch.zeros(2, 4))
