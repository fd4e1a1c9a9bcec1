"""In which order data sets and rows stand: the profile's where it lies beside the records, else a fixed one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from care_bench.errors import CareBenchError
from care_bench.report.labels import Variant, order, rank

PROFILE = "profile.json"
"""The profile of a collection, as JSON; the workflow puts it there."""


@dataclass(frozen=True)
class Order:
    """The order of a profile, as far as it is known.

    What is not in it follows, and all of it where there is no profile: data sets by name; rows by method in the order
    of ``labels.METHODS``, then base, fidelity and their own name.

    Attributes:
        rows: data set -> names of its rows, both as the profile has them.
    """

    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def dataset(self, name: str) -> tuple[int, str]:
        """Sorting key of data sets."""
        return rank(name, self.rows)

    def variants(self, datasets: Iterable[str]) -> Callable[[Variant], tuple[object, ...]]:
        """Return the sorting key of rows in a table of some data sets, of which the first decides."""
        chosen = sorted(set(datasets), key=self.dataset)
        names = list(dict.fromkeys(row for dataset in chosen for row in self.rows.get(dataset, ())))
        return lambda variant: (names.index(variant.key) if variant.key in names else len(names), order(variant))


def read_order(folder: Path) -> Order:
    """Read the order of the profile in the folder of a collection; where there is none, the order is the fixed one.

    Raises:
        CareBenchError: a file that is no profile as JSON.
    """
    path = folder / PROFILE
    try:
        datasets = json.loads(path.read_bytes())["datasets"]
        return Order({name: tuple(plan["methods"].keys()) for name, plan in datasets.items()})
    except FileNotFoundError:
        return Order()
    except OSError as error:
        raise CareBenchError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CareBenchError(f"{path} is damaged: expected the JSON of a profile with its data sets and rows") from None
