"""The settings of the paper and of the released code, as `reference/paper_settings.csv` lists them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from care_bench.data import DATASETS
from care_bench.errors import unknown
from care_bench.report.labels import METHODS
from care_bench.report.reference import read_reference

REFERENCE = Path("reference") / "paper_settings.csv"
ANY = "*"
_HEADER = ["dataset", "method", "key", "paper", "released_code", "note", "ours_fixed", "why_fixed"]


class Place(NamedTuple):
    """A data set, and a method with the one it wraps, under their names in records."""

    dataset: str
    method: str
    base: str | None


@dataclass(frozen=True)
class Fact:
    """One setting and its source; values are canonical JSON (see :func:`canonical`), None if unknown.

    Attributes:
        datasets: names, or `*`.
        methods: `*`, `method`, `method/base` or `method/*`.
        key: key of a run's configuration such as `training.epochs`, `seeds`, a key under `evaluation.`, or a name in
            brackets for what no profile can choose.
        paper: the value the paper prints.
        released_code: the value in CARE's released code, or in that of the method named in ``note``.
        note: source of both.
        ours_fixed: the value in every profile, for a name in brackets.
        why_fixed: why this is neither the paper's nor the released code's.
    """

    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    key: str
    paper: str | None
    released_code: str | None
    note: str
    ours_fixed: str | None
    why_fixed: str

    def specificity(self, place: Place) -> tuple[int, int] | None:
        """Return how specific the fact is to a place, the method first; None if it does not apply."""
        wanted = {ANY: 0, place.method if place.base is None else f"{place.method}/{place.base}": 2}
        if place.base is not None:
            wanted[f"{place.method}/{ANY}"] = 1
        methods = [wanted[method] for method in self.methods if method in wanted]
        datasets = [int(dataset != ANY) for dataset in self.datasets if dataset in (ANY, place.dataset)]
        return (max(methods), max(datasets)) if methods and datasets else None


def canonical(value: Any) -> str:
    """Return JSON that is equal for equal values: 1e-6 and 0.000001, 30 and 30.0, (512,) and [512]."""
    return json.dumps(_plain(value), ensure_ascii=False)


def applying(facts: Iterable[Fact], place: Place) -> dict[str, list[Fact]]:
    """Return the most specific facts of every key; several are alternatives, since the paper's experiments differ."""
    found: dict[str, dict[tuple[int, int], list[Fact]]] = {}
    for fact in facts:
        if (specificity := fact.specificity(place)) is not None:
            found.setdefault(fact.key, {}).setdefault(specificity, []).append(fact)
    return {key: by_specificity[max(by_specificity)] for key, by_specificity in found.items()}


def read_facts(results: Path) -> list[Fact]:
    """Read `reference/paper_settings.csv` of a results folder.

    Raises:
        CareBenchError: no such file, or a damaged one; one line naming file and line.
    """
    return read_reference(results / REFERENCE, _HEADER, _parse)


def _parse(row: list[str]) -> Fact:
    datasets, methods, key, paper, code, note, fixed, why = row
    for name in _names(datasets, "data set"):
        if name != ANY and name not in DATASETS:
            raise unknown("data set", name, DATASETS)
    for selector in _names(methods, "method"):
        method, _, base = selector.partition("/")
        for name in (method, base or ANY):
            if name not in METHODS and (name != ANY or (base and name is method)):
                raise unknown("method", name, METHODS)
    if not key or not note:
        raise ValueError(f"found key {key!r} and note {note!r}; expected both")
    if key.startswith("(") != bool(fixed):
        raise ValueError(f"found key {key!r} with ours_fixed {fixed!r}; expected it for names in brackets only")
    values = [_value(name, text) for name, text in (("paper", paper), ("released_code", code), ("ours_fixed", fixed))]
    return Fact(tuple(datasets.split()), tuple(methods.split()), key, values[0], values[1], note, values[2], why)


def _names(text: str, kind: str) -> list[str]:
    names = text.split()
    if not names:
        raise ValueError(f"found no {kind}; expected names with a space between them, or {ANY}")
    return names


def _value(column: str, text: str) -> str | None:
    if not text:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        value = None
    if value is None:
        raise ValueError(f"found {column} {text!r}; expected a JSON value, or nothing where it is not known")
    return canonical(value)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
