"""What a run is: strict settings, resolved from a profile into one full configuration per run. No torch here.

Names say where settings belong: a ``...Config`` is a part of a resolved configuration, a ``...Plan`` a part of a
profile, and ``...Settings`` belong to a method or backbone that is chosen by its name.
"""

from care_bench.config.backbones import BACKBONE_SETTINGS, BackboneSettings
from care_bench.config.evaluation import EvaluationConfig
from care_bench.config.imported import ImportedSettings
from care_bench.config.imported_run import ImportedConfig
from care_bench.config.methods import METHOD_SETTINGS, MethodSettings
from care_bench.config.profile import Profile
from care_bench.config.readers import (
    parse_profile,
    read_evaluation,
    read_imported,
    read_profile,
    read_run,
    read_runs,
)
from care_bench.config.run import RunConfig
from care_bench.config.yaml_files import parse_scalars, read_yaml

__all__ = [
    "BACKBONE_SETTINGS",
    "METHOD_SETTINGS",
    "BackboneSettings",
    "EvaluationConfig",
    "ImportedConfig",
    "ImportedSettings",
    "MethodSettings",
    "Profile",
    "RunConfig",
    "parse_profile",
    "parse_scalars",
    "read_evaluation",
    "read_imported",
    "read_profile",
    "read_run",
    "read_runs",
    "read_yaml",
]
