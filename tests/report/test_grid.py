"""Cells: their records, reasons for blanks, the best of a column, and captions."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect
from care_bench.report.build import write_report
from care_bench.report.writers import FORMATS
from tests.report.laid_out import ONE_SEED, absent, notes, tables, texts, with_tables
from tests.sample_records import write_runs

Make = Callable[..., Record]
PerSeed = Callable[..., list[Record]]
NOTE = "measured on at most 64 samples of each split: a check, no result"


def test_a_cell_cites_the_records_behind_it(per_seed: PerSeed) -> None:
    behind, others = per_seed([80.0, 82.0], variant="care"), per_seed([1.0, 2.0], variant="simclr")
    table = tables([*behind, *others])["Probe accuracy, cached-v1"]
    assert table.rows == ("SimCLR", "CARE (SimCLR), paper fidelity")
    assert table.cells[1][0].ids == tuple(record.id for record in behind)


def test_a_protocol_that_fits_no_run_of_a_data_set_is_one_line(record: Make, per_seed: PerSeed) -> None:
    reason = {"value": None, "n": 0, "reason": "proteins has no class labels"}
    proteins = {"dataset": "proteins", "backbone": "deepset"}
    records = [
        *[
            record(representation=place, seed=seed, **proteins, **reason)
            for place in ("projection", "features")
            for seed in (0, 1)
        ],
        *per_seed([0.5, 0.6], metric="wahba_error", **proteins),
        *per_seed([60.0, 61.0], variant="invariance"),
        record(variant="care", seed=0, value=None, n=0, reason="diverged"),
    ]
    found = tables(records)
    assert list(found) == [
        "Loss ablation, digits (convnet)",
        "Probe accuracy, cached-v1",
        "Equivariance, proteins (deepset), projection",
    ]
    assert found["Probe accuracy, cached-v1"].rows == ("CARE (SimCLR), paper fidelity", "invariance only")
    assert found["Probe accuracy, cached-v1"].cells[0][0].notes[0] == "diverged"
    line = "cached-v1, proteins (deepset): proteins has no class labels (records without a value: 4)."
    assert line in absent(records)


def test_blanks_and_gaps_are_explained(record: Make, per_seed: PerSeed) -> None:
    failed = {"value": None, "n": 0}
    table = tables(
        [
            *per_seed([1.0, 2.0, 3.0], variant="simclr"),
            *per_seed([1.0, None, 3.0], variant="care"),
            *[record(variant="invariance", seed=seed, reason="diverged", **failed) for seed in range(3)],
            record(variant="uniformity", seed=0, reason="diverged", **failed),
            record(variant="uniformity", seed=1, value=2.0),
            record(variant="uniformity", seed=2, reason="killed", **failed),
            *per_seed([5.0, 6.0, 7.0], variant="equivariance", representation="features"),
        ]
    )["Probe accuracy, cached-v1"]
    elsewhere, projection = (f"no record of its {name}" for name in ("features", "projection"))
    assert notes(table) == {
        "SimCLR": [(), (elsewhere,)],
        "CARE (SimCLR), paper fidelity": [("no record of seed 1 in this collection of profile small",), (elsewhere,)],
        "invariance only": [("diverged",), (elsewhere,)],
        "uniformity only": [("seed 0: diverged", "seed 2: killed"), (elsewhere,)],
        "equivariance only, paper fidelity": [(projection,), ()],
    }
    assert texts(table)["uniformity only"][0] == "2.00"
    assert texts(table)["invariance only"] == ["", ""]
    assert len(table.cells[table.rows.index("invariance only")][0].ids) == 3


def test_captions_name_protocol_selection_and_seeds(per_seed: PerSeed) -> None:
    many = tables(per_seed([80.0, 82.0], n=3, spread=0.1))["Probe accuracy, cached-v1"].caption
    assert "Protocol: cached-v1 (version 1; the value of one seed is a mean of 3 repeats)." in many
    assert many[-1] == "Pretraining seeds: n=2."
    assert not any("one seed proves nothing" in line for line in many)
    lone = tables(per_seed([80.0]))["Probe accuracy, cached-v1"].caption
    assert lone[-1] == ONE_SEED
    mixed = tables([*per_seed([80.0, 82.0]), *per_seed([80.0], variant="care")])["Probe accuracy, cached-v1"].caption
    assert mixed[-1] == "n=1: one seed proves nothing: no ranking follows from the cells with n=1."


def test_the_best_of_each_column_is_bold(per_seed: PerSeed) -> None:
    # Higher is better, lower is better, neither is better. The intervals, ± 1.27, do not overlap.
    low, high = [1.0, 1.2], [5.0, 5.2]
    records = [
        record
        for metric in ("wahba_error", "alignment", "top1")
        for variant, values in (("simclr", low), ("care", high))
        for record in per_seed(values, variant=variant, metric=metric)
    ]
    bold = {
        column.name: [row[j].bold for row in table.cells]
        for table in tables(records).values()
        for j, column in enumerate(table.columns)
    }
    assert bold == {
        "top-1, projection": [False, True],
        "Wahba, mean": [True, False],
        "alignment": [False, False],
    }


def test_no_row_is_best_by_the_seeds_that_did_not_fail(per_seed: PerSeed) -> None:
    failed = [
        record.model_copy(update={"value": None, "n": 0, "reason": "collapsed"})
        for record in per_seed([9.0, 9.0], variant="care")
    ]
    care = [
        *failed,
        *(record.model_copy(update={"seed": record.seed + 2}) for record in per_seed([5.0, 5.2], variant="care")),
    ]
    table = tables([*per_seed([1.0, 1.2, 1.0, 1.2]), *care])["Probe accuracy, cached-v1"]
    assert [cell.bold for row in table.cells for cell in row] == [False, False]
    whole = tables([*per_seed([1.0, 1.2]), *per_seed([5.0, 5.2], variant="care")])["Probe accuracy, cached-v1"]
    assert [cell.bold for row in whole.cells for cell in row] == [False, True]


def written(tmp_path: Path, records: list[Record]) -> dict[str, str]:
    """Texts of a report by file ending; `txt` is the printed text."""
    results = tmp_path / "results"
    collect(write_runs(tmp_path / "runs", records), results / "collected" / "small")
    printed = io.StringIO()
    files = write_report(results, console=Console(file=printed, width=200), print_all=True)
    found = {path.suffix[1:]: path.read_text(encoding="utf-8") for path in files}
    return {**found, "tex": with_tables(results / "report" / "all"), "txt": printed.getvalue()}


def test_every_format_says_how_few_samples_there_were(tmp_path: Path, per_seed: PerSeed) -> None:
    records = per_seed([80.0, 82.0], samples=64) + per_seed([10.0], metric="gamma", samples=64, epoch=3)
    found = written(tmp_path, records)
    assert set(found) == {*FORMATS, "txt"}
    for suffix, text in found.items():
        assert NOTE in text, suffix
    cells = list(csv.DictReader(io.StringIO(found["csv"])))
    assert [(cell["epoch"], cell["text"].partition(" ")[0], cell["reason"]) for cell in cells] == [
        ("", "81.00", NOTE),
        ("3", "10.00", NOTE),
    ]


def test_the_note_is_added_to_other_notes_and_not_to_blanks(tmp_path: Path, per_seed: PerSeed) -> None:
    failed = {"value": None, "n": 0, "reason": "diverged"}
    care = [record.model_copy(update=failed) for record in per_seed([90.0, 90.0], variant="care", samples=64)]
    found = written(tmp_path, [*per_seed([80.0, None], samples=64), *care])
    cells = {cell["row"]: cell["reason"] for cell in csv.DictReader(io.StringIO(found["csv"]))}
    assert cells["SimCLR"] == f"no record of seed 1 in this collection of profile small; {NOTE}"
    assert cells["CARE (SimCLR), paper fidelity"] == "diverged"


def test_numbers_on_all_samples_have_no_note(tmp_path: Path, per_seed: PerSeed) -> None:
    assert not any("samples of each split" in text for text in written(tmp_path, per_seed([80.0, 82.0])).values())


def test_no_value_is_best_where_a_row_without_information_wins(per_seed: PerSeed) -> None:
    trained = [*per_seed([0.5, 0.51], metric="wahba_error", variant="care")]
    trained += per_seed([0.7, 0.71], metric="wahba_error", variant="simclr")
    title = "Equivariance, digits (convnet), projection"
    alone = tables(trained)[title]
    assert [cell.bold for row in alone.cells for cell in row] == [False, True]
    assert alone.columns[0].header == "Wahba, mean ↓"

    far = tables([*trained, *per_seed([0.9, 0.91], metric="wahba_error", variant="random")])[title]
    assert far.columns[0].header == "Wahba, mean ↓"
    assert sum(cell.bold for row in far.cells for cell in row) == 1
    assert not any("without information" in sentence for sentence in far.caption)

    collapsed = tables([*trained, *per_seed([0.0, 0.0], metric="wahba_error", variant="constant")])[title]
    assert collapsed.columns[0].header == "Wahba, mean"
    assert not any(cell.bold for row in collapsed.cells for cell in row)
    told = (
        "No value is marked best where a row without information has it (Wahba, mean: reference: constant embeddings)."
    )
    assert told in collapsed.caption

    perfect = per_seed([-0.1, -0.1], metric="wahba_error", variant="oracle")
    below = tables([*trained, *per_seed([0.0, 0.0], metric="wahba_error", variant="random"), *perfect])[title]
    assert not any(cell.bold for row in below.cells for cell in row), "not even where the oracle is better still"


def test_no_value_of_a_snapshot_is_best(tmp_path: Path, per_seed: PerSeed) -> None:
    """Reference rows have none, so that nothing says whether one without information would be better."""
    trained = [
        record
        for epoch in (None, 3)
        for name, value in (("care", 0.5), ("simclr", 0.7))
        for record in per_seed([value, value + 0.01], metric="gamma_median", variant=name, epoch=epoch)
    ]
    cells = list(csv.DictReader(io.StringIO(written(tmp_path, trained)["csv"])))
    marked = {epoch: sum(cell["bold"] == "1" for cell in cells if cell["epoch"] == epoch) for epoch in ("", "3")}
    assert sum(cell["epoch"] == "3" for cell in cells) == 2
    assert marked == {"": 1, "3": 0}


def test_the_untrained_encoder_and_the_oracle_do_not_take_the_mark_away(per_seed: PerSeed) -> None:
    records = per_seed([0.5, 0.51], metric="wahba_error", variant="care")
    records += per_seed([0.8, 0.81], metric="wahba_error", variant="untrained")
    records += per_seed([0.0, 0.0], metric="wahba_error", variant="oracle")
    table = tables(records)["Equivariance, digits (convnet), projection"]
    assert table.columns[0].header == "Wahba, mean ↓"
    bold = [label for label, cells in table.lines if cells[0].bold]
    assert bold == ["CARE (SimCLR), paper fidelity"]
