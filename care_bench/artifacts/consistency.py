"""What the records of one collection must have in common."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

from care_bench.artifacts.record import Identity, Record
from care_bench.artifacts.settings import flattened
from care_bench.errors import CareBenchError
from care_bench.names import IMPORTED

_RULES = (
    ("profile", "", "profile"),
    ("version", "protocol", "protocol_version"),
    ("number of samples", "protocol", "samples"),
    ("content", "dataset", "data_sha256"),
    ("evaluation", "dataset", "evaluation"),
    ("unit", "metric", "unit"),
    ("direction", "metric", "higher_is_better"),
)
"""What there is one of, in what, and the key of a record that says it."""
_SHOWN = {"": "one collection", "protocol": "protocol {}", "dataset": "data set {}", "metric": "metric {}"}
_KEYS = sorted({key for _, *keys in _RULES for key in keys if key})
FACTS = attrgetter(*_KEYS)
"""Everything that the records of a collection have in common, as far as it depends on what is measured."""
_ROW = attrgetter("dataset", "variant")
_ENCODER = attrgetter("dataset", "variant", "seed", "epoch")
_MEASURED = attrgetter(*(key for key in Record.model_fields if key in Identity._fields))


def check(records: Sequence[Record], where: str) -> None:
    """Check that records can be in one table.

    Raises:
        CareBenchError: no records; two measurements of the same thing; several profiles; one protocol at two
            versions or on two numbers of samples; one data set with two contents or two settings of its evaluation;
            one metric with two units or directions; one encoder with two weights; runs of one row that differ in more
            than their seed.
    """
    if not records:
        raise CareBenchError(f"{where}: found no records to collect; expected files of records with at least one")
    if len(set(map(_MEASURED, records))) < len(records):
        refuse_outcomes(records, where)
    facts = [dict(zip(_KEYS, found, strict=True)) for found in set(map(FACTS, records))]
    for what, group, value in _RULES:
        pairs = {(fact.get(group), fact[value]) for fact in facts}
        if len(pairs) > len({name for name, _ in pairs}):
            _refuse(what, records, group, value, where)
    rows: dict[Hashable, Record] = {}
    weights: Weights = {}
    for record in records:
        rows.setdefault(row_and_settings(record), record)
        check_weights(record, weights, where)
    check_rows(rows.values(), where)


Weights: TypeAlias = dict[Hashable, tuple[str, str]]
"""Encoder -> hash of its weights, and the id of the record that says so."""


def check_weights(record: Record, weights: Weights, where: str) -> None:
    """Check that a record was measured on the weights that other records of its encoder were measured on.

    Args:
        record: one with a hash of weights, or without, which passes.
        weights: what is known of other records; this one is added.
        where: what is checked.

    Raises:
        CareBenchError: it was measured on others.
    """
    if not record.weights_sha256:
        return
    known, id_of_known = weights.setdefault(_ENCODER(record), (record.weights_sha256, record.id))
    if known != record.weights_sha256:
        epoch = "" if record.epoch is None else f" at epoch {record.epoch}"
        raise CareBenchError(
            f"{where}: {record.dataset}/{record.variant}/seed{record.seed}{epoch} was measured on weights {known[:12]} "
            f"and on {record.weights_sha256[:12]} (records {id_of_known} and {record.id}); expected one training"
        )


def row_and_settings(record: Record) -> Hashable:
    """Return the row of a record and what its encoder has in common with those of other seeds."""
    return _ROW(record), _shared(record.config, record.method)


def check_rows(records: Iterable[Record], where: str) -> None:
    """Check that the encoders of a row were made with the same settings, so that a mean over seeds says something.

    Args:
        records: one of each :func:`row_and_settings`.
        where: what is checked.

    Raises:
        CareBenchError: they were not; names the first setting that differs.
    """
    first: dict[Hashable, Record] = {}
    for record in records:
        before = first.setdefault(_ROW(record), record)
        if before is not record:
            one, other = (dict(_shared(found.config, found.method)) for found in (before, record))
            key = next(key for key in sorted(one | other) if one.get(key) != other.get(key))
            texts = " and ".join(json.dumps(found[key]) if key in found else "absent" for found in (one, other))
            raise CareBenchError(
                f"{where}: seeds of {record.dataset}/{record.variant} have {key} = {texts} (records {before.id} and "
                f"{record.id}); expected encoders that differ in their seed alone"
            )


@lru_cache(maxsize=64)
def _shared(config: str, method: str) -> tuple[tuple[str, Any], ...]:
    """Return the settings of an encoder that those of other seeds have too.

    An imported encoder may have a file of weights for every seed, but then all have one; what was found in the files is
    no setting.
    """
    settings = dict(flattened(config))
    if method == IMPORTED:
        settings = {key: value for key, value in settings.items() if key.startswith("settings.")}
        settings["settings.weights"] = None if settings.get("settings.weights") is None else "a file"
    return tuple(sorted((key, value) for key, value in settings.items() if key not in ("seed", "settings.seed")))


def refuse_outcomes(records: Sequence[Record], where: str) -> None:
    """Name the first two records that measure the same thing.

    Raises:
        CareBenchError: there are two.
    """
    _refuse("outcome of one measurement", records, "identity", "id", where)


def _refuse(what: str, records: Sequence[Record], group: str, value: str, where: str) -> None:
    """Name two records with the same ``group`` and another ``value``, both names of attributes."""
    first: dict[Hashable, Record] = {}
    for record in records:
        name = getattr(record, group) if group else ""
        before = first.setdefault(name, record)
        one, other = getattr(before, value), getattr(record, value)
        if one != other:
            measured = " ".join(str(part) for part in record.identity if part != "")
            shown = measured if group == "identity" else _SHOWN[group].format(name)
            one, other = ("all" if found is None and value == "samples" else found for found in (one, other))
            raise CareBenchError(
                f"{where}: found more than one {what} in {shown}: {one} and {other} "
                f"(records {before.id} and {record.id}); expected one"
            )
