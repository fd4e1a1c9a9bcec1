"""Errors planted in `care_bench.report`, and in what makes its collections, are found by their tests."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

STATISTICS = ("report/test_statistics.py",)
GRID = ("report/test_grid.py",)
GOLDEN = ("report/test_golden.py",)
TABLES = ("report/test_tables.py",)
PAPER = ("report/test_paper.py",)
SETTINGS = ("report/test_settings.py",)
COMPARISON = ("report/test_settings_comparison.py",)
THEORY = ("report/test_theory.py",)
LONG = ("report/test_long_tables.py",)
COLUMNS = ("artifacts/test_columns.py",)
MUTANTS = (
    Mutant(
        "the interval has as many degrees of freedom as seeds",
        "report/statistics.py",
        "_t_quantile(n - 1)",
        "_t_quantile(n)",
        STATISTICS,
    ),
    Mutant("the interval is one-sided", "report/statistics.py", "(1 + LEVEL) / 2", "LEVEL", STATISTICS),
    Mutant(
        "the interval is not divided by the root of n",
        "report/statistics.py",
        "deviation(values) / math.sqrt(n)",
        "deviation(values)",
        STATISTICS,
    ),
    Mutant(
        "the best value may touch another one",
        "report/statistics.py",
        "return winner if all(_apart(top, other) for other in found.values()) else None",
        "return winner",
        STATISTICS,
    ),
    Mutant(
        "the best value is the highest one",
        "report/statistics.py",
        "sign = 1 if higher_is_better else -1",
        "sign = 1",
        STATISTICS,
    ),
    Mutant(
        "metrics without a direction have a best value",
        "report/statistics.py",
        "if higher_is_better is None or len(found) < 2:",
        "if len(found) < 2:",
        STATISTICS,
    ),
    Mutant(
        "a single seed may be the best",
        "report/statistics.py",
        "other.low is None or other.high is None:\n        return False\n",
        "other.low is None or other.high is None:\n        return True\n",
        STATISTICS,
    ),
    Mutant(
        "the best value is sought along rows",
        "report/grid.py",
        "if (i, j) in winners",
        "if (j, i) in winners",
        GRID,
    ),
    Mutant(
        "a cell is the mean of its first seed",
        "report/grid.py",
        "summary = summarise(values)",
        "summary = summarise(values[:1])",
        GRID,
    ),
    Mutant(
        "a cell cites one record",
        "report/grid.py",
        "ids = tuple(record.id for record in records)",
        "ids = tuple(record.id for record in records[:1])",
        GRID,
    ),
    Mutant(
        "missing seeds are not named",
        "report/grid.py",
        "notes = (*failures, *self._absent_seeds(records, key))",
        "notes = (*failures,)",
        GRID,
    ),
    Mutant(
        "failed seeds are not named",
        "report/grid.py",
        "notes = (*failures, *self._absent_seeds(records, key))",
        "notes = (*self._absent_seeds(records, key), *([] if any(r.value for r in records) else ['none']))",
        GRID,
    ),
    Mutant(
        "a number of few samples does not say so",
        "report/grid.py",
        "notes=(*notes, *_few_samples(records[0]))",
        "notes=notes",
        GRID,
    ),
    Mutant(
        "snapshots are in the tables of the last step",
        "report/grid.py",
        "for place, records in collection.groups.items() if place.epoch == epoch",
        "for place, records in collection.groups.items()",
        TABLES,
    ),
    Mutant(
        "the representations share a column",
        "report/grid.py",
        "return Key(data, place.protocol, place.representation,",
        'return Key(data, place.protocol, "projection",',
        TABLES,
    ),
    Mutant(
        "the order of rows is not that of the profile",
        "report/labels.py",
        "(places.get(variant.name, len(places)), _order(variant))",
        "(_order(variant),)",
        ("report/test_order.py",),
    ),
    Mutant(
        "two rows have one label",
        "report/labels.py",
        "_label(variant, True) if taken[label] > 1 else label",
        "label",
        ("report/test_labels.py",),
    ),
    Mutant(
        "the fidelity is not in a label",
        "report/labels.py",
        'label += f", {variant.fidelity} fidelity" if variant.fidelity else ""',
        'label += ""',
        ("report/test_labels.py",),
    ),
    Mutant(
        "the ablation has CARE around every method",
        "report/tables.py",
        'variant.method == method and variant.base in (None, "simclr")',
        "variant.method == method",
        TABLES,
    ),
    Mutant(
        "columns of the paper are compared with kNN",
        "report/paper.py",
        ' and key.protocol != "knn-v1"]',
        "]",
        PAPER,
    ),
    Mutant(
        "the paper's values are in the row of another method",
        "report/paper.py",
        "by_place.get((method, base, name))",
        "by_place.get((method, None, name))",
        PAPER,
    ),
    Mutant(
        "values that the paper cites are shown as its own",
        "report/paper.py",
        "({value.source})",
        "(paper)",
        PAPER,
    ),
    Mutant(
        "the CSV has the ends of an interval the wrong way round",
        "report/writers.py",
        "(found.mean, found.low, found.high, found.n)",
        "(found.mean, found.high, found.low, found.n)",
        GOLDEN,
    ),
    Mutant(
        "the CSV forgets the snapshot", "report/writers.py", "table.epoch, table.title", "None, table.title", GOLDEN
    ),
    Mutant(
        "a row names the settings that it shares with the others",
        "report/settings.py",
        "if usual.get(key) != value}",
        "if usual.get(key) == value}",
        SETTINGS,
    ),
    Mutant(
        "the usual setting is the rarest",
        "report/settings.py",
        "counter.most_common(1)[0][0]",
        "counter.most_common()[-1][0]",
        SETTINGS,
    ),
    Mutant(
        "the released code is compared with the paper",
        "report/settings_comparison.py",
        "(not released or fact.released_code in (None, ours))",
        "True",
        COMPARISON,
    ),
    Mutant(
        "what the paper prints is compared with the released code",
        "report/settings_comparison.py",
        "ours == fact.released_code and (released or fact.paper is None)",
        "ours == fact.released_code",
        COMPARISON,
    ),
    Mutant(
        "a fact about a method is about all methods",
        "report/paper_settings.py",
        "by_specificity[max(by_specificity)]",
        "by_specificity[min(by_specificity)]",
        ("report/test_paper_settings.py",),
    ),
    Mutant(
        "residual and ratio change places",
        "report/theory.py",
        "_number(row.worst_residual, ONLY_COUNTEREXAMPLES",
        "_number(row.tightest_ratio, ONLY_COUNTEREXAMPLES",
        THEORY,
    ),
    Mutant(
        "a table that links lead into is cut",
        "report/writers.py",
        "if section and section.provenance and not table.linked",
        "if section and section.provenance",
        LONG,
    ),
    Mutant(
        "the footnotes of a cut table are those of the whole one",
        "report/writers.py",
        "[: max(marks, default=0)]",
        "[:]",
        LONG,
    ),
    Mutant(
        "figures leave out the floor of a data set with many rows",
        "report/figures/rows.py",
        "key=lambda place: (place not in floors, place)",
        "key=lambda place: place",
        LONG,
    ),
    Mutant(
        "a record in two files is collected twice",
        "artifacts/gathering.py",
        "if record is not None and record.sha256 != last:",
        "if record is not None:",
        COLUMNS,
    ),
    Mutant(
        "a file of records may change while it is collected",
        "artifacts/gathering.py",
        "if sha256_bytes(content) != file.sha256:",
        "if not content:",
        COLUMNS,
    ),
    Mutant(
        "the records of a file are not sorted",
        "artifacts/gathering.py",
        "yield from sorted(((_key(record), record) for record in _again(file)), key=itemgetter(0))",
        "yield from ((_key(record), record) for record in _again(file))",
        COLUMNS,
    ),
    Mutant(
        "a column has the type of its values",
        "artifacts/frame.py",
        "pa.Table.from_pandas(frame([]), pa.schema(kinds.items()), preserve_index=False).schema",
        "pa.Table.from_pandas(frame([]), preserve_index=False).schema",
        COLUMNS,
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
