"""The data sets there are. Another one is a file beside this one and an entry here."""

from __future__ import annotations

from care_bench.data import digits, proteins, tinted_digits
from care_bench.data.source import DatasetInfo

DATASETS: dict[str, DatasetInfo] = {info.name: info for info in (digits.INFO, tinted_digits.INFO, proteins.INFO)}
