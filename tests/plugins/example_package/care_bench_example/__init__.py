"""A method, a data set, an evaluation, a backbone and claims for care_bench, found through entry points."""

from pathlib import Path

CLAIMS = Path(__file__).with_name("claims.yaml")
