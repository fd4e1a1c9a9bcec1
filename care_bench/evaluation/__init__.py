"""Metrics on embeddings: pure functions on tensors that know no files and no configuration."""

from care_bench.evaluation.composition import Composition, composition_error
from care_bench.evaluation.cosine_histogram import CosineStatistics, cosine_statistics
from care_bench.evaluation.knn import Knn, knn, knn_predict
from care_bench.evaluation.linear_probe import LinearProbe, cached_linear_probe, linear_probe
from care_bench.evaluation.principal_component import (
    PrincipalComponent,
    first_component_projectors,
    principal_component,
)
from care_bench.evaluation.relative_equivariance import (
    RelativeEquivariance,
    relative_equivariance,
    relative_equivariance_summary,
)
from care_bench.evaluation.wahba import Wahba, wahba

__all__ = [
    "Composition",
    "CosineStatistics",
    "Knn",
    "LinearProbe",
    "PrincipalComponent",
    "RelativeEquivariance",
    "Wahba",
    "cached_linear_probe",
    "composition_error",
    "cosine_statistics",
    "first_component_projectors",
    "knn",
    "knn_predict",
    "linear_probe",
    "principal_component",
    "relative_equivariance",
    "relative_equivariance_summary",
    "wahba",
]
