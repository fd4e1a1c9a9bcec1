"""The glossary: what every metric means, from `glossary.yaml`, as entries and as the page `docs/glossary.md`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from care_bench.evaluation.protocols import METRICS

SOURCE = Path(__file__).with_suffix(".yaml")
HEAD = """# Glossary

What the metrics mean, what their values 0 and 1 mean, and what makes one look good that should not. Every report ends
with the entries of its own metrics.

Read a number beside those of encoders without information, such as an untrained one: many metrics below are small for
them as well.
"""

OVER_SAMPLES = (
    "interval over test samples",
    "How far an effect could be off because the test split holds these samples and no others. Every run of a data "
    "set is measured again on the same random halves of its test samples, drawn without replacement (of the "
    "proteins, halves of the PDB entries they are cut from), and the effect, mean over the seeds, is formed on "
    "each half. The deviation of m of n over halves, times the root of m / (n - m), is the standard error (the "
    "delete-half jackknife); the interval has quantiles of t with one degree of freedom less than there are "
    "halves. What is fitted to training samples stays, what is fitted to test samples is fitted to the half, and "
    "the sampled augmentations are always the same. It is rough where a half is small: the three clouds of step "
    "variation and planarity, and the maps of the trajectories. Over both, seeds and test samples: the two "
    "half-widths are added in squares, in which what seeds and samples do together counts twice. Source: Shao and Wu "
    "1989.",
)
"""A term of claims, and what it means."""


@dataclass(frozen=True)
class Entry:
    """What one or several metrics mean.

    Attributes:
        metrics: their names in records.
        definition: what is computed.
        range: which values are possible.
        zero: what the value 0 means.
        one: what the value 1 means, or another value that it names.
        cheats: what else gives a good value.
        source: where it comes from.
    """

    metrics: tuple[str, ...]
    definition: str
    range: str
    zero: str
    one: str
    cheats: str
    source: str

    @property
    def text(self) -> str:
        """All but the names, as sentences."""
        meaning = f"Range: {self.range}. At 0: {self.zero}. At 1: {self.one}."
        return f"{self.definition} {meaning} Cheated by: {self.cheats} Source: {self.source}"


@cache
def entries() -> tuple[Entry, ...]:
    """Return the glossary in its order."""
    content = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return tuple(
        Entry(
            tuple(name.format(one) for name in entry["metrics"] for one in entry.get("of", [""])),
            **{key: value for key, value in entry.items() if key not in ("metrics", "of")},
        )
        for entry in content
    )


def of_metrics(names: Iterable[str]) -> list[Entry]:
    """Return the entries of some metrics, in the order of the glossary; other packages' metrics have none."""
    wanted = set(names)
    return [entry for entry in entries() if wanted & set(entry.metrics)]


def page() -> str:
    """Return the page `docs/glossary.md`."""
    parts = [HEAD]
    for entry in entries():
        labels = "; ".join(dict.fromkeys(METRICS[name].label for name in entry.metrics))
        names = ", ".join(f"`{name}`" for name in entry.metrics)
        rows = {
            "in records": names,
            "range": entry.range,
            "at 0": entry.zero,
            "at 1": entry.one,
            "cheated by": entry.cheats,
            "source": entry.source,
        }
        table = "".join(f"| {name} | {text} |\n" for name, text in rows.items())
        parts.append(f"## {labels}\n\n{entry.definition}\n\n| | |\n|:--|:--|\n{table}")
    term, text = OVER_SAMPLES
    return "\n".join([*parts, f"## {term}\n\n{text}\n"])
