"""Labels and order of rows and columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from care_bench.config import METHOD_SETTINGS
from care_bench.evaluation.protocols import METRICS
from care_bench.names import IMPORTED

METHODS = {name: entry.label for name, entry in METHOD_SETTINGS.data.items()}
"""Method -> label, ours alone: a report imports no other package to print its method's name."""


class Variant(NamedTuple):
    """A row of tables: the name of a variant with its method, or of an imported encoder with its source as ``base``.

    ``setting`` says what makes its method, or the one it wraps, another than its plain name says, such as
    `invariance weight 0.1`: see :class:`care_bench.report.variants.Variants`.
    """

    method: str
    base: str | None
    fidelity: str | None
    name: str
    setting: str = ""


@dataclass(frozen=True)
class Order:
    """The order of a profile, where it is known.

    Other data sets and variants come last: data sets by name; variants by method in the order of the registry, then by
    base, fidelity and their own name.

    Attributes:
        rows: data set -> names of its variants, both in the order of the profile.
    """

    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def dataset(self, name: str) -> tuple[int, str]:
        """Sorting key of data sets."""
        return position(name, self.rows)

    def variants(self, datasets: Iterable[str]) -> Callable[[Variant], tuple[object, ...]]:
        """Return the sorting key of the rows of a table; the order of its first data set decides."""
        chosen = sorted(set(datasets), key=self.dataset)
        names = dict.fromkeys(row for dataset in chosen for row in self.rows.get(dataset, ()))
        places = {name: place for place, name in enumerate(names)}
        return lambda variant: (places.get(variant.name, len(places)), _order(variant))


def labels(variants: Iterable[Variant]) -> dict[Variant, str]:
    """Name every row, such as `CARE (SimCLR), paper fidelity`, or `mine (imported: timm:resnet18)`.

    What makes a method another one is always said: `CARE (SimCLR, invariance weight 0.1), paper fidelity`.

    The variant's name is shown in brackets where it says more than method, base and fidelity do, or where two rows
    would have the same label.
    """
    found = {variant: _label(variant, says_more(variant)) for variant in variants}
    taken = Counter(found.values())
    return {variant: _label(variant, True) if taken[label] > 1 else label for variant, label in found.items()}


def method_label(method: str, base: str | None = None, setting: str = "") -> str:
    """Name a method and the one it wraps, such as `CARE (SimCLR)`; ``setting`` is what is special about the latter."""
    label = METHODS.get(method, method)
    inner = ", ".join(filter(None, (METHODS.get(base, base) if base else label, setting)))
    return f"{label} ({inner})" if base else inner


def metric_label(metric: str) -> str:
    """Return the label of a metric; the name of one that is not ours."""
    return METRICS[metric].label if metric in METRICS else metric


def says_more(variant: Variant) -> bool:
    """Return whether the name of a row says more than its method, base and fidelity."""
    method, base, fidelity, name = (part and part.replace("_", "-") for part in variant[:4])
    plain = [(method,), (method, base), (method, fidelity), (method, base, fidelity)]
    return name not in {"-".join(filter(None, parts)) for parts in plain}


def position(name: str, known: Iterable[str]) -> tuple[int, str]:
    """Sorting key of names: the known ones in their order, then the others by name."""
    names = list(known)
    return (names.index(name), "") if name in names else (len(names), name)


def natural(text: str) -> tuple[tuple[int, float, str], ...]:
    """Sorting key that counts: `weight-3` before `weight-10`, `weight-0.3` before both."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return tuple((0, float(part), "") if index % 2 else (1, 0.0, part) for index, part in enumerate(parts) if part)


def _order(variant: Variant) -> tuple[object, ...]:
    place = position(variant.method, METHODS), position(variant.base or "", METHODS)
    return (*place, variant.fidelity or "", natural(variant.name), natural(variant.setting))


def _label(variant: Variant, with_name: bool) -> str:
    if variant.method == IMPORTED:
        return f"{variant.name} (imported: {variant.base})"
    label = method_label(variant.method, variant.base, variant.setting)
    label += f", {variant.fidelity} fidelity" if variant.fidelity else ""
    return f"{label} [{variant.name}]" if with_name else label
