"""The command ``care-bench``. What a command needs is imported when it runs: ``--help`` never imports torch."""

from care_bench.cli import encoders, jobs, results  # each adds its commands, in the order of ``--help``
from care_bench.cli.app import app

__all__ = ["app", "encoders", "jobs", "results"]
