"""The methods: each has one settings class, which is its entry. Listing them imports no torch.

Another method is a settings class marked with ``@method`` in one of these files and its class in
``care_bench.methods``, or an entry point of another package.
"""

from care_bench.config.methods.base import METHOD_SETTINGS, AnyMethodSettings, MethodSettings, parse_method

# Imported for their entries, in the order of tables.
from care_bench.config.methods import base_methods, equivariant, ablation, references  # noqa: F401  # isort: skip

__all__ = ["METHOD_SETTINGS", "AnyMethodSettings", "MethodSettings", "parse_method"]
