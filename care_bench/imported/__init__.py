"""Encoders that were trained elsewhere: their architecture, their weights, and the checks that they can be measured."""

from care_bench.imported.inputs import Inputs
from care_bench.imported.loading import Imported, load_imported

__all__ = ["Imported", "Inputs", "load_imported"]
