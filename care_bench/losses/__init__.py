"""Losses on embeddings: pure functions and small modules on tensors with one embedding per row."""

from care_bench.losses.alignment import alignment
from care_bench.losses.barlow_twins import BarlowTwins, barlow_twins_terms
from care_bench.losses.bilinear_forms import (
    Form,
    euclidean,
    form_equivariance,
    gram,
    hermitian,
    minkowski,
    symplectic,
)
from care_bench.losses.byol import ByolLoss
from care_bench.losses.equimod import EquiModLoss
from care_bench.losses.equivariance import Equivariance, equivariance
from care_bench.losses.info_nce import InfoNCE, info_nce, info_nce_terms
from care_bench.losses.moco import MoCoInfoNCE, moco_info_nce
from care_bench.losses.uniformity import uniformity
from care_bench.losses.wahba import WahbaLoss
from care_bench.names import Fidelity

__all__ = [
    "BarlowTwins",
    "ByolLoss",
    "EquiModLoss",
    "Equivariance",
    "Fidelity",
    "Form",
    "InfoNCE",
    "MoCoInfoNCE",
    "WahbaLoss",
    "alignment",
    "barlow_twins_terms",
    "equivariance",
    "euclidean",
    "form_equivariance",
    "gram",
    "hermitian",
    "info_nce",
    "info_nce_terms",
    "minkowski",
    "moco_info_nce",
    "symplectic",
    "uniformity",
]
