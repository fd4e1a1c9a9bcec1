"""Why two collections have no number in common: what all numbers of one have, and none of the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from care_bench.artifacts import Record
from care_bench.artifacts.settings import flattened
from care_bench.names import IMPORTED

NAMED = 2
"""Most names of a side where nothing is in common."""
KINDS: dict[str, Callable[[Record], str]] = {
    "data sets": attrgetter("dataset"),
    "rows": lambda record: f"{record.variant} (imported)" if record.method == IMPORTED else record.variant,
    "backbones": attrgetter("backbone"),
    "protocols": attrgetter("protocol"),
    "metrics": attrgetter("metric"),
    "layers": attrgetter("representation"),
}
"""What two numbers that are compared have in common."""


def why_apart(one: Sequence[Record], other: Sequence[Record]) -> str:
    """Say why two sides have no number in common, and in what else all of their numbers differ.

    Args:
        one: a record for each number of the first.
        other: the same of the second.
    """
    if not one or not other:
        return f"nothing can be compared: the {'second' if one else 'first'} has no number"
    causes = []
    for what, kind in KINDS.items():
        first, second = (sorted(set(map(kind, side))) for side in (one, other))
        if not set(first) & set(second):
            causes.append(f"other {what} ({_few(first)} against {_few(second)})")
    causes = causes or ["none has the same data set, row, protocol, metric, layer and epoch on both sides"]
    for what, of in (("content of data sets", _content), ("evaluation settings", _evaluation)):
        first_of, second_of = of(one), of(other)
        both = sorted(first_of.keys() & second_of.keys())
        if names := [name for name in both if not first_of[name] & second_of[name]]:
            causes.append(f"other {what} ({_few(names)})")
    return f"nothing can be compared: {'; '.join(causes)}"


def _content(side: Iterable[Record]) -> dict[str, set[str]]:
    """Return data set -> its hashes."""
    found: dict[str, set[str]] = {}
    for record in side:
        found.setdefault(record.dataset, set()).add(record.data_sha256)
    return found


def _evaluation(side: Iterable[Record]) -> dict[str, set[str]]:
    """Return name of a setting -> its values."""
    found: dict[str, set[str]] = {}
    for text in {record.evaluation for record in side}:
        for key, value in flattened(text).items():
            found.setdefault(key, set()).add(json.dumps(value))
    return found


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
