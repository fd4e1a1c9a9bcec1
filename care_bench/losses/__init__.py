"""Losses on embeddings: pure functions and small modules on tensors whose rows have unit norm."""

from care_bench.losses.alignment import alignment
from care_bench.losses.bilinear_forms import (
    Form,
    euclidean,
    form_equivariance,
    gram,
    hermitian,
    minkowski,
    symplectic,
)
from care_bench.losses.equivariance import Equivariance, Fidelity, equivariance
from care_bench.losses.info_nce import InfoNCE, info_nce, info_nce_terms
from care_bench.losses.uniformity import uniformity

__all__ = [
    "Equivariance",
    "Fidelity",
    "Form",
    "InfoNCE",
    "alignment",
    "equivariance",
    "euclidean",
    "form_equivariance",
    "gram",
    "hermitian",
    "info_nce",
    "info_nce_terms",
    "minkowski",
    "symplectic",
    "uniformity",
]
