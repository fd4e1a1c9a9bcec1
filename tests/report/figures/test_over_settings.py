"""Any metric over any setting."""

from __future__ import annotations

from typing import Any

import pytest

from care_bench.artifacts.collection import Collection
from care_bench.errors import CareBenchError
from care_bench.report.figures.drawing import styled
from care_bench.report.figures.over_settings import metric_plot
from tests.report.figures.made import collection, values

T1 = 12.7062047
ROWS = {"simclr": 0.9, "care": 0.2, "care-weight-1": 0.6, "care-weight-3": 0.4, "care-moco": 0.7}
FOUND = collection(
    *(values(name, "gamma_median", [number - 0.01, number + 0.01]) for name, number in ROWS.items()),
    values("care", "gamma_median", [0.5], "proteins"),
    values("care", "gamma_median", [0.8, 0.6], epoch=2),
    values("care", "top1", [80.0]),
    values("care", "top1", [90.0], protocol="knn-v1"),
)


def numbers(found: Collection, *names: Any, **more: Any) -> list[dict[str, Any]]:
    plot = metric_plot(found, *names, **more)
    return [dict(zip(plot.columns, row, strict=True)) for row in plot.rows]


def test_a_metric_over_a_setting_has_a_mean_with_its_interval_for_every_row_that_has_it() -> None:
    found = numbers(FOUND, "weight", "gamma_median", "dataset")
    assert [(one["weight"], one["dataset"], one["row"], one["seeds"]) for one in found] == [
        (2.0, "digits", "care-moco", 2),  # no other row differs from it in the weight alone
        (1.0, "digits", "care-weight-1", 2),
        (3.0, "digits", "care-weight-3", 2),
        (10.0, "digits", "care", 2),
        (10.0, "proteins", "care", 1),
    ]
    assert [one["mean"] for one in found] == pytest.approx([0.7, 0.6, 0.4, 0.2, 0.5])
    assert found[1]["low"] == pytest.approx(0.6 - T1 * 0.01)
    assert found[-1]["low"] is None
    assert "Without it: simclr." in metric_plot(FOUND, "weight", "gamma_median").caption
    assert numbers(FOUND, "method.weight", "gamma_median", "dataset")[2]["method.weight"] == 3.0


def test_lines_join_rows_that_differ_in_the_setting_alone() -> None:
    with styled():
        panel = metric_plot(FOUND, "weight", "gamma_median", "dataset").draw().axes[0]
    joined = [list(line.get_xdata()) for line in panel.lines if len(line.get_xdata()) > 1 and line.get_ls() != "None"]
    assert joined == [[1.0, 3.0, 10.0]]
    assert {text.get_text() for text in panel.get_legend().get_texts()} == {"digits", "proteins"}


SWEPT = [
    *(values(name, "gamma_median", [0.5]) for name in ("care", "care-weight-1", "care-weight-3")),
    *(values(name, "gamma_median", [0.7]) for name in ("equimod-weight-1", "equimod-weight-3")),
]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (None, {"CARE (SimCLR)": [1.0, 3.0, 10.0], "EquiMod (SimCLR)": [1.0, 3.0]}),
        ("method", {"care": [1.0, 3.0, 10.0], "equimod": [1.0, 3.0]}),
        ("dataset", {"digits, CARE (SimCLR)": [1.0, 3.0, 10.0], "digits, EquiMod (SimCLR)": [1.0, 3.0]}),
    ],
)
def test_every_line_has_its_own_look_and_name(by: str | None, names: dict[str, list[float]]) -> None:
    with styled():
        panel = metric_plot(collection(*SWEPT), "weight", "gamma_median", by).draw().axes[0]
    lines = [line for line in panel.lines if len(line.get_xdata()) > 1 and line.get_ls() != "None"]
    assert [list(line.get_xdata()) for line in lines] == list(names.values())
    assert len({line.get_color() for line in lines}) == 2
    assert {text.get_text(): text.get_color() for text in panel.texts} == dict(
        zip(names, [line.get_color() for line in lines], strict=True)
    )


def test_lines_of_one_method_are_told_apart_by_their_last_rows() -> None:
    found = collection(
        *SWEPT[:3],
        *(values(name, "gamma_median", [0.2]) for name in ("care-one-draw", "care-one-draw-weight-1")),
    )
    with styled():
        panel = metric_plot(found, "weight", "gamma_median").draw().axes[0]
    assert {text.get_text() for text in panel.texts} == {"CARE (SimCLR) [care]", "CARE (SimCLR) [care-one-draw]"}


def test_one_curve_a_group_is_named_at_its_end() -> None:
    rows = ("care", "care-weight-1")
    found = collection(
        *(values(name, "gamma_median", [0.5]) for name in rows),
        *([one.model_copy(update={"dataset": "other"}) for one in values(name, "gamma_median", [0.5])]
          for name in rows),
    )  # fmt: skip
    with styled():
        panel = metric_plot(found, "weight", "gamma_median", "dataset").draw().axes[0]
    assert panel.get_legend() is None
    first, second = panel.texts
    assert (first.get_text(), second.get_text()) == ("digits", "other")
    assert second.xyann[1] - first.xyann[1] >= 7  # both curves end at one point: their names are a line apart


def test_snapshots_are_drawn_over_the_epoch_and_end_with_the_last() -> None:
    found = numbers(FOUND, "epoch", "gamma_median", "row", where={"dataset": "digits", "row": "care"})
    assert [(one["epoch"], one["mean"]) for one in found] == [(2, pytest.approx(0.7)), (4, pytest.approx(0.2))]


def test_a_snapshot_of_the_end_does_not_count_its_seeds_twice() -> None:
    more = Collection(
        FOUND.name, (*FOUND.records, *values("care", "gamma_median", [0.1, 0.3], epoch=4)), None, FOUND.variants
    )
    found = numbers(more, "epoch", "gamma_median", "row", where={"dataset": "digits", "row": "care"})
    assert found == numbers(FOUND, "epoch", "gamma_median", "row", where={"dataset": "digits", "row": "care"})
    assert [(one["epoch"], one["seeds"]) for one in found] == [(2, 2), (4, 2)]


def test_reference_rows_have_no_epochs() -> None:
    more = Collection("drawn", (*FOUND.records, *values("random", "gamma_median", [1e-19])))
    assert {one["row"] for one in numbers(more, "epoch", "gamma_median", "row")} == {
        one["row"] for one in numbers(FOUND, "epoch", "gamma_median", "row")
    }
    assert "Without it: random." in metric_plot(more, "epoch", "gamma_median", "row").caption


@pytest.mark.parametrize("value", ["10", "10.0", "1e1"])
def test_numbers_are_chosen_by_their_value(value: str) -> None:
    found = numbers(FOUND, "dataset", "gamma_median", where={"weight": value})
    assert [(one["row"], one["mean"]) for one in found] == [("care", pytest.approx(0.2)), ("care", 0.5)]


def test_without_snapshots_nothing_is_drawn_over_the_epoch() -> None:
    plain = collection(values("care", "gamma_median", [0.2]), values("simclr", "gamma_median", [0.9]))
    with pytest.raises(CareBenchError, match=r"collected/drawn has no snapshots of gamma_median .*snapshot_epochs"):
        metric_plot(plain, "epoch", "gamma_median")
    with pytest.raises(CareBenchError, match=r"no snapshots of knn-v1/top1 .*snapshots have .*/gamma_median$"):
        metric_plot(FOUND, "epoch", "knn-v1/top1")
    with pytest.raises(CareBenchError, match="no snapshots of gamma_median in the rows to draw"):
        metric_plot(FOUND, "epoch", "gamma_median", where={"row": "simclr"})


def test_names_are_categories_in_their_order() -> None:
    found = numbers(FOUND, "base.name", "gamma_median", where={"dataset": "digits"})
    assert [(one["base.name"], one["row"]) for one in found] == [
        ("moco_v2", "care-moco"),
        ("simclr", "care"),
        ("simclr", "care-weight-1"),
        ("simclr", "care-weight-3"),
    ]
    with styled():
        panel = metric_plot(FOUND, "base.name", "gamma_median").draw().axes[0]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["moco_v2", "simclr"]


def test_a_protocol_is_named_where_several_have_the_metric() -> None:
    assert [one["mean"] for one in numbers(FOUND, "weight", "knn-v1/top1")] == [90.0]
    assert [one["mean"] for one in numbers(FOUND, "weight", "cached-v1/top1")] == [80.0]


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        (("wieght", "gamma"), {}, "unknown metric 'gamma'"),
        (("wieght", "gamma_median"), {}, "unknown setting 'wieght': did you mean 'weight'"),
        (("weight", "gama_median"), {}, "unknown metric 'gama_median': did you mean 'gamma_median'"),
        (("weight", "knn-v2/top1"), {}, "unknown protocol of top1 'knn-v2': did you mean 'knn-v1'"),
        (("weight", "top1"), {}, "measured by several protocols; expected one of cached-v1/top1, knn-v1/top1"),
        (("weight", "gamma_median", "datset"), {}, "unknown setting 'datset': did you mean 'dataset'"),
        (("weight", "gamma_median"), {"where": {"dataset": "digit"}}, "unknown value of dataset 'digit': did you mean"),
        (("weight", "gamma_median"), {"where": {"weight": "ten"}}, "unknown value of weight 'ten': known: 1.0, 10.0"),
        (("weight", "gamma_median"), {"where": {"weight": "11"}}, "unknown value of weight '11': "),
        (("weight", "gamma_median"), {"representation": "features"}, "no value of the features in .*; expected --repr"),
        (("queue", "gamma_median", "invariance_weight"), {}, "no run has both 'queue' and 'invariance_weight'"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_one_line(names: tuple[str, ...], more: dict[str, Any], message: str) -> None:
    with pytest.raises(CareBenchError, match=message) as error:
        metric_plot(FOUND, *names, **more)
    assert "\n" not in str(error.value)
