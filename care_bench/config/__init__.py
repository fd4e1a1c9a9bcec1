"""What a run is: strict settings, resolved from a profile into one full configuration per run. No torch here."""

from care_bench.config.bases import MethodSettings
from care_bench.config.evaluation import EvaluationConfig
from care_bench.config.methods import METHOD_SETTINGS
from care_bench.config.profile import Profile
from care_bench.config.readers import parse_profile, read_evaluation, read_profile, read_run
from care_bench.config.run import RunConfig
from care_bench.config.yaml_files import read_yaml, with_types

__all__ = [
    "METHOD_SETTINGS",
    "EvaluationConfig",
    "MethodSettings",
    "Profile",
    "RunConfig",
    "parse_profile",
    "read_evaluation",
    "read_profile",
    "read_run",
    "read_yaml",
    "with_types",
]
