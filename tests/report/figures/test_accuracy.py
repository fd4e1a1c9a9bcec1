"""Accuracy against equivariance."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.text import Text

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.report.figures.accuracy import accuracy_plot, accuracy_points
from care_bench.report.figures.drawing import styled
from care_bench.report.figures.rows import Rows
from tests.report.figures.made import collection, values
from tests.sample_records import make_record

T1 = 12.7062047


def placed(variant: str, accuracy: float, error: float, dataset: str = "digits") -> list[Record]:
    features: dict[str, Any] = {"dataset": dataset, "representation": "features"}
    known = ("top1", "knn-v1") if dataset == "digits" else ("first_pc_r2", "first-pc-v1")
    return [
        *values(variant, known[0], [accuracy, accuracy + 1], protocol=known[1], **features),
        *values(variant, known[0], [1.0], protocol="another-v1", **features),
        *values(variant, "held_out_wahba", [error, error + 0.1], **features),
        *values(variant, "held_out_wahba", [0.0], dataset=dataset),  # of the projection
    ]


MEASURED = [
    *placed("simclr", 90.0, 0.8),
    *placed("care", 88.0, 0.4),
    *placed("untrained", 80.0, 0.9),
    *placed("random", 10.0, 1.4),
    *placed("simclr", 0.5, 2.5, "proteins"),
    *placed("care", 0.6, 0.5, "proteins")[:2],  # without the other number
]


def panels(found: Collection) -> list[Any]:
    plot = accuracy_plot(Rows(found))
    assert plot is not None
    with styled():
        return list(plot.draw().axes)


def test_every_row_with_both_numbers_is_a_point_with_its_interval() -> None:
    points = accuracy_points(Rows(collection(MEASURED)))
    assert [(one.dataset, one.row.name, one.measured.label) for one in points] == [
        ("digits", "simclr", "kNN top-1 (%)"),
        ("digits", "care", "kNN top-1 (%)"),
        ("digits", "untrained", "kNN top-1 (%)"),
        ("digits", "random", "kNN top-1 (%)"),
        ("proteins", "simclr", "R² of the first component"),
    ]
    assert [one.accuracy.mean for one in points] == [90.5, 88.5, 80.5, 10.5, 1.0]
    assert [one.error.mean for one in points] == pytest.approx([0.85, 0.45, 0.95, 1.45, 2.55])
    assert points[0].error.low == pytest.approx(0.85 - T1 * 0.05)
    plot = accuracy_plot(Rows(collection(MEASURED)))
    assert plot is not None
    assert [row[:5] for row in plot.rows[:3]] == [
        ("digits", "simclr", 1, "kNN top-1 (%)", 2),
        ("digits", "care", 2, "kNN top-1 (%)", 2),
        ("digits", "untrained", None, "kNN top-1 (%)", 2),
    ]
    assert plot.rows[0][5:] == pytest.approx(
        (90.5, 90.5 - T1 * 0.5, 90.5 + T1 * 0.5, 0.85, 0.85 - T1 * 0.05, 0.85 + T1 * 0.05)
    )
    assert "over 2 pretraining seeds with 95 % t-intervals" in plot.caption
    assert accuracy_plot(Rows(collection(values("simclr", "gamma_median", [1.0])))) is None


def test_the_points_and_the_untrained_encoder_alone_decide_the_horizontal_axis() -> None:
    """80.5 to 90.5 with a margin of 8 % of 10; the random row at 10.5 is not in it."""
    digits, proteins, *_ = panels(collection(MEASURED))
    assert digits.get_xlim() == pytest.approx((79.7, 91.3))
    assert proteins.get_xlim() == pytest.approx((0.92, 1))
    upright = [line.get_xdata()[0] for line in digits.lines if len(set(line.get_xdata())) == 1 and line.get_ls() == ":"]
    assert upright == [80.5]
    assert [text.get_text() for text in digits.texts] == ["1", "2"]


def test_the_inputs_themselves_are_a_cross() -> None:
    """At 95.5 and 0.15, which is in the panel, without a number."""
    found = collection([*MEASURED, *placed("raw", 95.0, 0.1)])
    digits, proteins, *_ = panels(found)
    (cross,) = [line for line in digits.lines if line.get_marker() == "x"]
    assert cross.get_xydata()[0] == pytest.approx([95.5, 0.15])
    assert digits.get_xlim() == pytest.approx((79.3, 96.7))
    assert [text.get_text() for text in digits.texts] == ["1", "2"]
    assert not [line for line in proteins.lines if line.get_marker() == "x"]
    told = "The cross is the inputs themselves."
    for rows, drawn in ((found, True), (collection(MEASURED), False)):
        plot = accuracy_plot(Rows(rows))
        assert plot is not None
        assert (told in plot.caption) == drawn


def test_a_line_leads_from_a_base_method_to_the_method_that_wraps_it() -> None:
    digits, *_ = panels(collection(MEASURED))
    lines = [
        tuple(line.get_xdata()) for line in digits.lines if len(set(line.get_xdata())) == 2 and line.get_ls() == "-"
    ]
    assert lines == [(90.5, 88.5)]


def test_an_axis_ends_at_all_samples_and_spans_more_than_a_few_of_them() -> None:
    """99 and 100 are 5 points of an axis around 99.5, with a margin of 8 % of 5, which ends at 100."""
    digits, *_ = panels(collection([*placed("simclr", 98.5, 0.5), *placed("care", 99.5, 0.5)]))
    assert digits.get_xlim() == pytest.approx((96.6, 100))


@pytest.mark.parametrize(
    ("variant", "accuracy", "left"),
    [
        ("invariance", 80.0, 88.35),  # 10 from the next, more than twice the spread of 2.5, shown as 5: 8 % of 5
        ("invariance", 85.0, 84.4),  # 5 from the next, not more than twice the spread: 8 % of 7.5
        ("untrained", 80.0, 79.0),  # the floor is always inside: 8 % of 12.5
    ],
)
def test_a_row_alone_on_the_left_lies_on_the_edge(variant: str, accuracy: float, left: float) -> None:
    """The others are at 90, 90.5, 91.5 and 92.5."""
    others = {"uniformity": 90.0, "simclr": 90.5, "care": 91.5, "moco": 92.5}
    rows = [placed(name, at - 0.5, 0.5) for name, at in {**others, variant: accuracy}.items()]
    found = collection([record for row in rows for record in row])
    digits, *_ = panels(found)
    plot = accuracy_plot(Rows(found))
    assert plot is not None
    assert digits.get_xlim()[0] == pytest.approx(left)
    marks = sorted(line.get_xdata()[0] for line in digits.lines if line.get_ls() == "None")
    assert marks[:1] == ([pytest.approx(max(left, accuracy))] if variant == "invariance" else [90.0])
    assert ("A point on the upper or left edge lies beyond it." in plot.caption) == (left > accuracy)


def test_errors_above_the_edge_lie_on_it() -> None:
    *_, proteins = panels(collection(placed("simclr", 0.5, 2.5, "proteins")))
    assert [line.get_ydata()[0] for line in proteins.lines if line.get_marker() == "o"] == [1.5]


def test_imported_encoders_are_hollow() -> None:
    ours = placed("simclr", 90.0, 0.5)
    theirs = [
        make_record(variant="dino", method="imported", backbone="timm:vit", representation="features", **number)
        for number in (
            {"metric": "top1", "protocol": "knn-v1", "value": 95.0},
            {"metric": "held_out_wahba", "value": 0.8},
        )
    ]
    found = Collection("mixed", (*ours, *theirs))
    (panel,) = panels(found)
    faces = {line.get_xdata()[0]: line.get_markerfacecolor() for line in panel.lines if line.get_ls() == "None"}
    assert faces.keys() == {90.5, 95.0}
    assert faces[95.0] == "none" != faces[90.5]
    plot, own = accuracy_plot(Rows(found)), accuracy_plot(Rows(collection(ours)))
    assert plot is not None
    assert own is not None
    assert plot.caption.endswith("Hollow: not trained here.")
    assert "ollow" not in own.caption


def many(rows: int, datasets: int = 1) -> Collection:
    """Rows on a falling line, of which none is better in both, and far more that are worse than its last in both."""
    front = [(90.0 - 2 * place, 0.9 - 0.2 * place) for place in range(4)]
    worse = [
        (60.0 + 20 * (place * 37 % rows) / rows, 0.95 + 0.4 * (place * 17 % rows) / rows) for place in range(rows - 4)
    ]
    methods = [("care", "simclr"), ("care", "moco_v2"), ("equimod", "simclr"), ("simclr", None)]
    return Collection(
        "many",
        tuple(
            one.model_copy(update={"variant": f"row-{place}", "dataset": f"set{k}", "method": method, "base": base})
            for k in range(datasets)
            for place, (accuracy, error) in enumerate([*front, *worse])
            for method, base in [methods[place % 4]]
            for one in placed("simclr", accuracy, error)
        ),
    )


def test_a_row_that_stands_out_on_one_data_set_alone_has_its_number_there_alone() -> None:
    several = many(24)
    few = [one.model_copy(update={"dataset": "few"}) for one in several.records if one.variant in ("row-0", "row-9")]
    found = Collection("both", (*several.records, *few))
    shown = {panel.get_title(): {text.get_text() for text in panel.texts} - {""} for panel in panels(found)[:2]}
    assert {name: len(texts) for name, texts in shown.items()} == {"set0": 4, "few": 2}
    assert len(shown["set0"] & shown["few"]) == 1
    plot = accuracy_plot(Rows(found))
    assert plot is not None
    assert {(row[0], row[1]) for row in plot.rows if row[2] is not None} == {
        *(("set0", f"row-{place}") for place in range(4)),
        *(("few", f"row-{place}") for place in (0, 9)),
    }


@pytest.mark.parametrize("rows", [24, 62])
def test_of_many_rows_those_stand_out_of_which_none_is_better_in_both(rows: int) -> None:
    plot = accuracy_plot(Rows(many(rows)))
    assert plot is not None
    with styled():
        canvas = plot.draw()
        canvas.draw_without_rendering()
        (panel,), (legend,) = canvas.axes, canvas.legends
        boxes = [text.get_window_extent() for text in panel.texts if text.get_text()]
        assert [text.get_text() for text in panel.texts] == ["1", "2", "3", "4"]
        assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])
        assert {text.get_text() for text in legend.get_texts()} == {
            *["no map", "1  row-3", "2  row-2", "3  row-0", "4  row-1"],  # in the order of the methods
            *["other CARE (SimCLR)", "other CARE (MoCo-v2)", "other EquiMod (SimCLR)", "other SimCLR"],
        }
        below, plotted = legend.get_window_extent(), panel.get_window_extent()
    assert below.y1 <= plotted.y0
    assert below.height < plotted.height / 2
    assert {row[1]: row[2] for row in plot.rows if row[2]} == {"row-3": 1, "row-2": 2, "row-0": 3, "row-1": 4}
    assert "more than 12 rows, numbers and intervals are of those rows of which no other is better" in plot.caption


def test_on_a_phone_the_panels_stand_below_each_other_with_readable_text() -> None:
    """At 390 pixels 364 are left between the margins; 6 points are 8 pixels."""
    plot = accuracy_plot(Rows(many(62, datasets=3)))
    assert plot is not None
    assert plot.narrow is not None
    with styled():
        canvas = plot.narrow()
        canvas.draw_without_rendering()
    assert canvas.get_size_inches()[0] * 96 <= 364
    assert len({panel.get_position().x0 for panel in canvas.axes}) == 1
    texts = [one for one in canvas.findobj(Text) if one.get_visible() and one.get_text()]
    assert len(texts) > 30
    assert min(text.get_fontsize() for text in texts) >= 6
    (legend,) = canvas.legends
    assert canvas.bbox.x0 <= legend.get_window_extent().x0 <= legend.get_window_extent().x1 <= canvas.bbox.x1


def test_the_caption_speaks_of_what_is_drawn_alone() -> None:
    """Without an untrained row no band, without a wrapper no line, without large errors no edge."""
    parts = {"band": "The band is", "line": "A line leads", "edge": "upper or left edge", "seeds": "intervals"}
    drawn = {
        "all": (MEASURED, {"band", "line", "edge", "seeds"}),
        "no untrained": ([*placed("simclr", 90.0, 0.8), *placed("care", 88.0, 0.4)], {"line", "seeds"}),
        "one row": (placed("simclr", 90.0, 1.6), {"edge", "seeds"}),
        "one seed": (
            [one for name in ("untrained", "care") for one in placed(name, 90.0, 0.6) if one.seed == 0],
            {"band"},
        ),
    }
    for name, (records, expected) in drawn.items():
        plot = accuracy_plot(Rows(collection(records)))
        assert plot is not None
        assert {part for part, text in parts.items() if text in plot.caption} == expected, name
        assert ("band" in plot.alt) == ("band" in expected), name


@pytest.mark.parametrize("datasets", [1, 2, 3, 4])
def test_the_legend_is_on_the_page_and_beside_no_panel(datasets: int) -> None:
    names = [f"care-with-a-rather-long-name-of-its-own-{k}" for k in range(12)]
    records = [
        one.model_copy(update={"variant": name, "dataset": f"set{k}", "method": "care", "base": "simclr"})
        for k in range(datasets)
        for place, name in enumerate(names)
        for one in placed("simclr", 80.0 + place, 0.5)
    ]
    plot = accuracy_plot(Rows(Collection("many", tuple(records))))
    assert plot is not None
    with styled():
        canvas = plot.draw()
        canvas.draw_without_rendering()
        page = canvas.bbox
        (legend,) = canvas.legends
        box = legend.get_window_extent()
    assert page.x0 <= box.x0 <= box.x1 <= page.x1
    assert page.y0 <= box.y0 <= box.y1 <= page.y1
    for panel in canvas.axes[:datasets]:
        assert not panel.get_window_extent().overlaps(box)
        assert 0.8 < panel.get_window_extent().width / panel.get_window_extent().height < 1.6
