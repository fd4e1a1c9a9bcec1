"""Metrics on embeddings: pure functions on tensors that know no files and no configuration."""

from care_bench.metrics.augmentation_prediction import Predicted, augmentation_prediction
from care_bench.metrics.certificate import Certificate, certificate
from care_bench.metrics.composition import Composition, composition_error
from care_bench.metrics.cosines import CosineStatistics, PositiveCosines, cosine_statistics, positive_cosines
from care_bench.metrics.equivariant_retrieval import RankedTargets, equivariant_retrieval
from care_bench.metrics.held_out import HeldOut, OrthogonalMap, held_out_errors, orthogonal_maps
from care_bench.metrics.knn import Knn, knn, knn_predict
from care_bench.metrics.lie_derivative import LieDerivative, RotationGenerators, lie_derivative, on_sphere
from care_bench.metrics.linear_probe import LinearProbe, cached_linear_probe, linear_probe
from care_bench.metrics.one_parameter_group import OneParameterGroup, one_parameter_group
from care_bench.metrics.principal_component import (
    PrincipalComponent,
    first_component_projectors,
    principal_component,
)
from care_bench.metrics.relative_deviation import relative_deviation
from care_bench.metrics.relative_equivariance import (
    RelativeEquivariance,
    relative_equivariance,
    relative_equivariance_summary,
)
from care_bench.metrics.retrieval import Retrieval, factor_distance, factor_followed, retrieval
from care_bench.metrics.trajectories import Regularity, axis_rotations, regularity
from care_bench.metrics.wahba import Wahba, WahbaErrors, wahba, wahba_by_group, wahba_errors

__all__ = [
    "Certificate",
    "Composition",
    "CosineStatistics",
    "HeldOut",
    "Knn",
    "LieDerivative",
    "LinearProbe",
    "OneParameterGroup",
    "OrthogonalMap",
    "PositiveCosines",
    "Predicted",
    "PrincipalComponent",
    "RankedTargets",
    "Regularity",
    "RelativeEquivariance",
    "Retrieval",
    "RotationGenerators",
    "Wahba",
    "WahbaErrors",
    "augmentation_prediction",
    "axis_rotations",
    "cached_linear_probe",
    "certificate",
    "composition_error",
    "cosine_statistics",
    "equivariant_retrieval",
    "factor_distance",
    "factor_followed",
    "first_component_projectors",
    "held_out_errors",
    "knn",
    "knn_predict",
    "lie_derivative",
    "linear_probe",
    "on_sphere",
    "one_parameter_group",
    "orthogonal_maps",
    "positive_cosines",
    "principal_component",
    "regularity",
    "relative_deviation",
    "relative_equivariance",
    "relative_equivariance_summary",
    "retrieval",
    "wahba",
    "wahba_by_group",
    "wahba_errors",
]
