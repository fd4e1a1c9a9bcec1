"""A profile compared with the settings of the paper and of the released code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from care_bench.config import Profile, RunConfig
from care_bench.report.labels import position
from care_bench.report.paper_settings import ANY, Fact, Place, applying, canonical

Kind = Literal["as the paper", "as the released code", "not printed", "differs"]
KINDS: tuple[Kind, ...] = ("differs", "not printed", "as the released code", "as the paper")
NO_REASON = "no reason given"
PARTS = ("method", "encoder", "augmentation", "training", "seeds", "evaluation")
"""Order of the settings; names in brackets come last."""


class Verdict(NamedTuple):
    """How a value compares with the paper and the released code, and why it has neither value."""

    kind: Kind
    why: str = ""


@dataclass(frozen=True)
class Line:
    """One value of ours for a setting of a data set.

    Attributes:
        fact: values of the paper and the released code.
        ours: our value, canonical JSON.
        verdict: how our value compares with them.
        rows: names of the variants with this value.
        of: names of all variants of the data set with the setting.
    """

    fact: Fact
    ours: str
    verdict: Verdict
    rows: tuple[str, ...]
    of: tuple[str, ...]


@dataclass(frozen=True)
class DatasetComparison:
    """The variants of one data set and their settings; if the paper lacks it, only settings with a reason."""

    name: str
    rows: tuple[str, ...]
    lines: tuple[Line, ...]
    in_paper: bool

    @property
    def groups(self) -> dict[Kind, list[Line]]:
        """The lines by verdict, in the order of ``KINDS``, without empty verdicts."""
        found: dict[Kind, list[Line]] = {kind: [] for kind in KINDS}
        for line in self.lines:
            found[line.verdict.kind].append(line)
        return {kind: lines for kind, lines in found.items() if lines}


def compare(profile: Profile, facts: Sequence[Fact]) -> list[DatasetComparison]:
    """Compare every row of a profile, its seeds taken together, with every fact about its data set and method.

    A row of fidelity `released-code` is compared with the released code where its value is known. Any other row is
    compared with the paper, and with the released code where the paper prints nothing. Of several facts about a
    setting, the first with our value counts, else the first without any value, else the first. A setting that no
    fact is about has a line if the profile gives a reason for it.
    """
    named = {name for fact in facts for name in fact.datasets} - {ANY}
    datasets: dict[str, dict[str, RunConfig]] = {}
    for run in profile.runs():
        datasets.setdefault(run.dataset, {})[run.variant] = run
    return [
        DatasetComparison(
            name,
            tuple(runs),
            tuple(_lines(runs, facts if name in named else (), _shared(profile, name), profile.datasets[name].why)),
            name in named,
        )
        for name, runs in datasets.items()
    ]


def judge(alternatives: Sequence[Fact], ours: str, released: bool, why: str | None) -> tuple[Fact, Verdict]:
    """Compare a value with the facts about it.

    Args:
        alternatives: facts about one setting.
        ours: canonical JSON.
        released: whether the row follows the released code.
        why: the profile's reason; asked where neither the paper nor the released code has the value.
    """
    for fact in alternatives:
        if kind := _agreement(fact, ours, released):
            return fact, Verdict(kind)
    unknown = [fact for fact in alternatives if fact.paper is None and fact.released_code is None]
    fact = (unknown or alternatives)[0]
    return fact, Verdict("not printed" if unknown else "differs", why or fact.why_fixed or NO_REASON)


def _lines(
    runs: Mapping[str, RunConfig], facts: Sequence[Fact], shared: Mapping[str, Any], why: Mapping[str, str]
) -> list[Line]:
    found: dict[tuple[Fact, str, Verdict], list[str]] = {}
    having: dict[str, list[str]] = {}
    known = {
        name: applying(facts, Place(run.dataset, run.method.name, run.method.base_name)) for name, run in runs.items()
    }
    in_a_source = set().union(*known.values())
    others = {key: [_unknown(key)] for key in why if key not in in_a_source}
    for name, run in runs.items():
        config = {**run.model_dump(mode="json"), **shared}
        released = run.method.fidelity_used == "released-code"
        for key, alternatives in (known[name] | others).items():
            ours = alternatives[0].ours_fixed or _look_up(config, key)
            if ours is not None:
                fact, verdict = judge(alternatives, ours, released, why.get(key))
                found.setdefault((fact, ours, verdict), []).append(name)
                having.setdefault(key, []).append(name)
    lines = [
        Line(fact, ours, verdict, tuple(rows), tuple(having[fact.key])) for (fact, ours, verdict), rows in found.items()
    ]
    keys = [*(fact.key for fact in facts), *why]
    return sorted(lines, key=lambda line: (position(line.fact.key.split(".")[0], PARTS)[0], keys.index(line.fact.key)))


def _shared(profile: Profile, dataset: str) -> dict[str, Any]:
    """Return what all rows of a data set have in common."""
    return {"seeds": profile.seeds, "evaluation": profile.measured(dataset).model_dump(mode="json")}


def _unknown(key: str) -> Fact:
    """Return the fact of a setting that no source mentions."""
    return Fact((ANY,), (ANY,), key, None, None, "", None, "")


def _agreement(fact: Fact, ours: str, released: bool) -> Kind | None:
    if ours == fact.paper and (not released or fact.released_code in (None, ours)):
        return "as the paper"
    if ours == fact.released_code and (released or fact.paper is None):
        return "as the released code"
    return None


def _look_up(config: Mapping[str, Any], key: str) -> str | None:
    """Return the canonical value under a dotted key, None where the configuration has no such key."""
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return canonical(value)
