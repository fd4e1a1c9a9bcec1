"""The records of many files in one order, with one file in memory at a time.

Every file is read twice: once to check it, and once more, by its hash, when its records have their turn.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeAlias

from care_bench.artifacts.consistency import (
    FACTS,
    Weights,
    check,
    check_rows,
    check_weights,
    refuse_outcomes,
    row_and_settings,
)
from care_bench.artifacts.evaluated import Evaluated
from care_bench.artifacts.record import EXPECTED, Identity, Record
from care_bench.artifacts.unchanged import decode_known
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes
from care_bench.untrusted import read_bytes

Key: TypeAlias = tuple[Identity, str]
"""What records are sorted by: what they measure, then their hash."""


class _File(NamedTuple):
    """A file of records that was checked: its hash, and the smallest key in it."""

    path: Path
    sha256: str
    first: Key


class Gathered:
    """What is kept of files of records that were read.

    Attributes:
        code_versions: those that trained or measured the records.
    """

    def __init__(self) -> None:
        self.code_versions: set[str] = set()
        self._files: list[_File] = []
        self._measured = array("q")  # a hash of what each record measures
        # The first record, in their order, of each combination of what a collection has one of, and of each row's.
        self._facts: dict[Hashable, tuple[Key, Record]] = {}
        self._rows: dict[Hashable, tuple[Key, Record]] = {}
        self._weights: Weights = {}

    def __len__(self) -> int:
        """Return the number of records, one that is in several files counted in each."""
        return len(self._measured)

    @property
    def profile(self) -> str:
        """The profile of the records, which :meth:`check` found to be one."""
        return next(iter(self._facts.values()))[1].profile

    def add(self, path: Path, found: Evaluated) -> None:
        """Take note of a file that was read from ``path``.

        Raises:
            CareBenchError: a record was measured on other weights than another one of its encoder.
        """
        keys = []
        for record in found.records:
            keys.append(key := _key(record))
            self.code_versions |= {record.trained_by, record.code_version}
            self._measured.append(hash(key[0]))
            check_weights(record, self._weights, str(path))
            for firsts, what in ((self._facts, FACTS(record)), (self._rows, row_and_settings(record))):
                if key < firsts.setdefault(what, (key, record))[0]:
                    firsts[what] = (key, record)
        if keys:
            self._files.append(_File(path, found.sha256, min(keys)))

    def check(self, where: str) -> None:
        """Check that the records can be in one table, as :func:`care_bench.artifacts.consistency.check` does.

        Raises:
            CareBenchError: as that function, with the same words.
        """
        if len(set(self._measured)) < len(self._measured):  # the same record twice, or two of one measurement
            for one, other in pairwise(self.records()):
                if one.identity == other.identity:
                    refuse_outcomes((one, other), where)
        facts, rows = (
            [record for _, record in sorted(found.values(), key=itemgetter(0))] for found in (self._facts, self._rows)
        )
        check(facts, where)
        check_rows(rows, where)

    def records(self) -> Iterator[Record]:
        """Yield the records in order; one that is in several files comes once.

        Raises:
            CareBenchError: a file is not as it was when it was checked.
        """
        last = ""
        for _, record in heapq.merge(*map(_entries, self._files), key=itemgetter(0)):
            if record is not None and record.sha256 != last:
                last = record.sha256
                yield record


def _key(record: Record) -> Key:
    return record.identity, record.sha256


def _entries(file: _File) -> Iterator[tuple[Key, Record | None]]:
    """Yield the records of a file in order, and before them its smallest key: a file is read when that has its turn."""
    yield file.first, None
    yield from sorted(((_key(record), record) for record in _again(file)), key=itemgetter(0))


def _again(file: _File) -> Sequence[Record]:
    content = read_bytes(file.path, EXPECTED)
    if sha256_bytes(content) != file.sha256:
        raise CareBenchError(f"{file.path} was changed while it was collected; run the same command again")
    return decode_known(content)
