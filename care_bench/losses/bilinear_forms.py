"""The equivariance loss for other groups: any group that preserves a form on pairs of vectors.

A form maps the rows of x (n, d) and of y (m, d) to the (n, m) matrix of their values, as :func:`euclidean` does. Two
views with equal Gram matrices differ by one element of the group that preserves the form (O(d), O(p, q), Sp(2m, R),
U(d)), provided that their spans are non-degenerate: only the zero vector of a span is perpendicular to all of it
(Witt). Under a definite form every span is. Under an indefinite or alternating form a null vector and the zero vector
have the same Gram matrix, but no linear map takes the zero vector to the null vector. SO(d) does not belong here:
rotations and reflections preserve the same inner products.

Source: the section on other groups in CARE (arXiv 2306.13924).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from care_bench.losses.checks import autocast_off

Form = Callable[[Tensor, Tensor], Tensor]
"""Maps x (n, d) and y (m, d) to (n, m); linear in x, linear or conjugate linear in y."""


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Return the inner products x_i . y_j; preserved by O(d).

    Args:
        x: (n, d) real.
        y: (m, d) real.

    Returns:
        (n, m), float32 or better, as every form here.

    Raises:
        ValueError: an input is not 2-D, has no rows or columns or is not real floating point, or the widths differ.

    Example:
        >>> import torch
        >>> gram(euclidean, torch.tensor([[3.0, 4.0]])).item()
        25.0
    """
    x, y = _operands(x, y)
    return _product(x, y.mT)


def minkowski(p: int, q: int) -> Form:
    """Return the form of signature (p, q): the first p products minus the last q, summed; preserved by O(p, q).

    The Lorentz group is O(3, 1), time last. (geomstats puts time first.)

    Args:
        p: number of coordinates with a plus sign.
        q: number of coordinates with a minus sign; p + q is the dimension of the rows.

    Raises:
        ValueError: p or q is not a whole number >= 0, or both are 0. The form raises as :func:`euclidean`, and where
            the rows do not have p + q columns.

    Example:
        >>> import torch
        >>> gram(minkowski(1, 1), torch.tensor([[3.0, 5.0]])).item()
        -16.0
    """
    for name, count in (("p", p), ("q", q)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"{name} is {count!r}; expected a whole number >= 0")
    if p + q == 0:
        raise ValueError("p and q are both 0; expected a dimension p + q of at least 1")

    def form(x: Tensor, y: Tensor) -> Tensor:
        x, y = _operands(x, y)
        if x.shape[1] != p + q:
            raise ValueError(f"rows of shape {tuple(x.shape)} under signature ({p}, {q}); expected {p + q} columns")
        return _product(torch.cat([x[:, :p], -x[:, p:]], dim=1), y.mT)

    return form


def symplectic(x: Tensor, y: Tensor) -> Tensor:
    """Return the alternating form sum_k x_k y_(m+k) - x_(m+k) y_k on R^(2m); preserved by Sp(2m, R).

    Args:
        x: (n, 2m) real: positions first, momenta last.
        y: (n', 2m) real.

    Returns:
        (n, n'); the value of a row with itself is 0.

    Raises:
        ValueError: as :func:`euclidean`, or the number of columns is odd.

    Example:
        >>> import torch
        >>> symplectic(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])).item()
        1.0
    """
    x, y = _operands(x, y)
    if x.shape[1] % 2:
        raise ValueError(f"rows of shape {tuple(x.shape)} under a symplectic form; expected an even number of columns")
    position, momentum = x.chunk(2, dim=1)
    return _product(torch.cat([-momentum, position], dim=1), y.mT)


def hermitian(x: Tensor, y: Tensor) -> Tensor:
    """Return sum_k x_k conj(y_k), linear in x and conjugate linear in y; preserved by U(d).

    Args:
        x: (n, d) complex; real rows are complex rows with imaginary part zero.
        y: (m, d) likewise.

    Returns:
        (n, m), complex where an input is.

    Raises:
        ValueError: as :func:`euclidean`, except that complex rows are accepted.

    Example:
        >>> import torch
        >>> hermitian(torch.tensor([[1j, 1]]), torch.tensor([[1, 1j]])).item()
        0j
    """
    x, y = _operands(x, y, allow_complex=True)
    return _product(x, y.mH)


def gram(form: Form, x: Tensor) -> Tensor:
    """Return the (n, n) matrix of the form on all pairs of rows of x (n, d); errors are those of the form."""
    return form(x, x)


def form_equivariance(form: Form, z: Tensor, za: Tensor) -> Tensor:
    """Return the mean over all n^2 ordered pairs (i, j) of |form(z_i, z_j) - form(za_i, za_j)|^2.

    The mean includes the pairs i = j. form(z_i, z_i) is constant only on the unit sphere of a definite form; elsewhere
    the group preserves it (as the squared norm, time-like or space-like), and without these pairs orthogonal rows
    could be stretched at no cost. With :func:`euclidean` on unit rows they are zero, so the value is (n - 1) / n times
    ``Equivariance(1)``, which leaves them out. Under :func:`symplectic` they are always zero.

    With S = z + za and M = z - za, twice the difference is form(S, M) + form(M, S): nothing cancels where the views
    nearly agree. Computed in float32 or better for any input dtype, also under autocast.

    Args:
        form: one of the forms of this module, or another function of that type.
        z: (n, d), embeddings of the first views.
        za: (n, d), embeddings of the second views of the same inputs in the same order.

    Returns:
        Real scalar >= 0; zero exactly when the two Gram matrices agree.

    Raises:
        ValueError: the shapes differ, or as the form.

    Example:
        >>> import torch
        >>> z, boost = torch.eye(2), torch.tensor([[1.25, 0.75], [0.75, 1.25]])
        >>> form_equivariance(minkowski(1, 1), z, z @ boost.T).item()
        0.0
    """
    if z.shape != za.shape:
        raise ValueError(f"z has shape {tuple(z.shape)} and za {tuple(za.shape)}; expected equal shapes")
    z, za = _operands(z, za, ("z", "za"), allow_complex=True)
    total, difference = z + za, z - za
    twice = (form(total, difference) + form(difference, total)).flatten()
    squares: Tensor = torch.vdot(twice, twice).real
    return squares / (4 * len(twice))


def _operands(
    x: Tensor, y: Tensor, names: tuple[str, str] = ("x", "y"), allow_complex: bool = False
) -> tuple[Tensor, Tensor]:
    """Check two matrices of rows of one width and return both in one dtype, float32 or better."""
    kind = "floating point or complex" if allow_complex else "real floating point"
    for name, z in zip(names, (x, y), strict=True):
        if z.ndim != 2 or 0 in z.shape:
            raise ValueError(f"{name} has shape {tuple(z.shape)}; expected (rows, dimension), at least one of each")
        if not (z.is_floating_point() or (allow_complex and z.is_complex())):
            raise ValueError(f"{name} has dtype {z.dtype}; expected a {kind} type")
    if x.shape[1] != y.shape[1]:
        shapes = f"{names[0]} has shape {tuple(x.shape)} and {names[1]} {tuple(y.shape)}"
        raise ValueError(f"{shapes}; expected the same number of columns")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    return x.to(dtype), y.to(dtype)


def _product(x: Tensor, y: Tensor) -> Tensor:
    with autocast_off(x):
        return x @ y
