"""What a run is: strict settings, resolved from a profile into one full configuration per run. No torch here."""

from care_bench.config.evaluation import EvaluationConfig
from care_bench.config.methods import METHOD_SETTINGS, MethodSettings
from care_bench.config.profile import Profile, parse_profile, read_profile, read_run, read_yaml
from care_bench.config.run import RunConfig

__all__ = [
    "METHOD_SETTINGS",
    "EvaluationConfig",
    "MethodSettings",
    "Profile",
    "RunConfig",
    "parse_profile",
    "read_profile",
    "read_run",
    "read_yaml",
]
