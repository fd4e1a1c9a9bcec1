"""In which order data sets and rows stand: the profile's where it lies beside the records, else a fixed one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from care_bench.report.labels import Variant, order, rank


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
