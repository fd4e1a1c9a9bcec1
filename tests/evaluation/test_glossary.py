"""Every metric has a whole entry, and the page is that of the entries."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from care_bench.evaluation.glossary import entries, of_metrics, page
from care_bench.evaluation.protocols import METRICS

PAGE = Path(__file__).parents[2] / "docs/glossary.md"


def test_every_metric_has_one_entry_and_every_entry_a_metric() -> None:
    assert Counter(name for entry in entries() for name in entry.metrics) == Counter(dict.fromkeys(METRICS, 1))


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.metrics[0])
def test_no_part_of_an_entry_is_missing(entry: object) -> None:
    for field in fields(entry):  # type: ignore[arg-type]
        value = getattr(entry, field.name)
        assert value, field.name
        assert field.name == "metrics" or (isinstance(value, str) and value == value.strip())
    for name in ("definition", "cheats", "source"):
        assert getattr(entry, name).endswith("."), name


def test_every_metric_has_a_label_and_a_sentence_in_its_tables() -> None:
    for metric in METRICS.values():
        assert metric.label
        assert metric.caption.endswith((".", ":")), metric.name


def test_the_page_is_current() -> None:
    update = "from care_bench.evaluation.glossary import page; open('docs/glossary.md', 'w').write(page())"
    assert PAGE.read_text(encoding="utf-8") == page(), f'regenerate with: python -c "{update}"'


def test_the_entries_of_some_metrics() -> None:
    assert [entry.metrics for entry in of_metrics(["uniformity", "alignment", "of-another-package"])] == [
        ("alignment",),
        ("uniformity",),
    ]
    assert "At 0: invariant." in of_metrics(["invariance"])[0].text


def test_no_two_metrics_have_one_label() -> None:
    """What is left of errors under one augmentation, under all of them, and of a speed are told apart by name."""
    labels = [metric.label for metric in METRICS.values() if metric.label]
    about = [label for label in labels if label.startswith(("rotation", "map in O(d)"))]
    assert len(about) == len(set(about))
    assert {"map in O(d), held out", "rotation alone, unexplained", "rotation, unexplained speed"} <= set(about)


def test_no_word_of_the_page_is_cut_by_a_line_end() -> None:
    assert not re.findall(r"\w- (?!and |or |to )\w+", page())


def test_a_rank_is_not_told_in_percent() -> None:
    (entry,) = of_metrics(["transformed_mrr"])
    assert "%" not in entry.one
