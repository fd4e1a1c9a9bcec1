"""The numbers of every figure, worked out by hand from a few records."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from care_bench.artifacts import Record
from care_bench.report.figures import Plot
from care_bench.report.figures.cosines import circle_plot, positive_plot
from care_bench.report.figures.dots import ablation_plot, component_plot, composition_plot
from care_bench.report.figures.drawing import drawn, styled
from care_bench.report.figures.draws import wahba_plot
from care_bench.report.figures.rows import Rows
from care_bench.report.figures.snapshots import ratio_plot, training_plot
from care_bench.report.figures.weights import sweeps, weight_plot
from tests.report.figures.made import collection, values

T1 = 12.7062047
"""97.5 % point of the t distribution with one degree of freedom: two seeds at m - d and m + d have half-width T1 d."""


def of(make: Callable[[Rows], Plot | None], *records: list[Record]) -> list[dict[str, Any]]:
    """Return the numbers of a figure, after drawing it."""
    plot = make(Rows(collection(*records)))
    assert plot is not None
    assert drawn(plot.draw, ["svg"])[0].startswith(b"<?xml")
    return [dict(zip(plot.columns, row, strict=True)) for row in plot.rows]


def test_the_weight_sweep_is_of_rows_that_differ_in_the_weight_alone() -> None:
    names = {"simclr": 0.9, "care": 0.2, "care-weight-1": 0.6, "care-weight-3": 0.4, "care-one-draw": 0.1,
             "care-moco": 0.7}  # fmt: skip
    records = [values(name, "gamma_median", [number - 0.01, number + 0.01]) for name, number in names.items()]
    found = of(weight_plot, *records)
    assert [(one["row"], one["weight"]) for one in found] == [
        ("simclr", 0.0),
        ("care-weight-1", 1.0),
        ("care-weight-3", 3.0),
        ("care", 10.0),
    ]
    assert [one["mean"] for one in found] == pytest.approx([0.9, 0.6, 0.4, 0.2])
    assert found[1]["low"] == pytest.approx(0.6 - T1 * 0.01)
    (sweep,) = sweeps(Rows(collection(*records)))
    assert sweep.base is not None
    assert sweep.base.name == "simclr"


def test_two_weights_are_no_sweep() -> None:
    records = [values(name, "gamma_median", [0.5]) for name in ("simclr", "care", "care-weight-1")]
    assert weight_plot(Rows(collection(*records))) is None


def test_wahba_is_drawn_by_draw_without_those_that_change_nothing() -> None:
    metric = "wahba_error_per_sample"
    records = [
        values("simclr", metric, [[0.0, 0.4, 0.2], [0.0, 0.6, 0.4]]),
        values("care", metric, [[0.0, 0.1, 0.1], [0.0, 0.3, 0.1]]),
        values("care-weight-1", metric, [[0.0, 0.7, 0.7]]),  # a second row of CARE
        values("invariance", metric, [[0.5, 0.5, 0.5]]),  # nothing wraps it
    ]
    found = of(wahba_plot, *records)
    assert [(one["base"], one["row"], one["draw"]) for one in found] == [
        ("simclr", name, draw) for name in ("simclr", "care") for draw in (1, 2)
    ]
    assert [one[metric] for one in found] == pytest.approx([0.5, 0.3, 0.2, 0.1])
    plot = wahba_plot(Rows(collection(*records)))
    assert plot is not None
    assert "draws that change nothing: 1 on digits." in plot.caption
    assert "On digits" not in plot.caption


WEAK = ("simclr", "care", "simclr-weak", "care-weak")


def test_wahba_names_the_rows_of_a_method_around_variants_of_one_base() -> None:
    plot = wahba_plot(
        Rows(collection(*(values(name, "wahba_error_per_sample", [[0.2, 0.1]], "proteins") for name in WEAK)))
    )
    assert plot is not None
    assert " On proteins CARE is care beside SimCLR and care-weak beside simclr-weak." in plot.caption


def test_a_data_set_on_which_no_draw_moves_anything_has_no_panel() -> None:
    metric = "wahba_error_per_sample"
    still = [values(name, metric, [[0.0, 1e-9]]) for name in ("simclr", "care")]
    assert wahba_plot(Rows(collection(*still))) is None
    moved = [values(name, metric, [[0.0, 0.5]], dataset="proteins") for name in ("simclr", "care")]
    assert {one["dataset"] for one in of(wahba_plot, *still, *moved)} == {"proteins"}


def test_a_weight_of_zero_has_a_place_of_its_own_beside_the_others() -> None:
    names = {"simclr": 0.9, "care": 0.2, "care-weight-0": 0.8, "care-weight-1": 0.6, "care-weight-3": 0.4}
    plot = weight_plot(Rows(collection(*(values(name, "gamma_median", [number]) for name, number in names.items()))))
    assert plot is not None
    assert [row[2] for row in plot.rows] == [0.0, 0.0, 1.0, 3.0, 10.0]
    panel = plot.draw().axes[0]
    places = [panel.transData.transform((weight, 0.5))[0] for weight in (0.0, 1.0, 3.0, 10.0)]
    left, right = panel.transAxes.transform(((0, 0), (1, 0)))[:, 0]
    assert left < places[0]
    assert places[-1] < right
    assert min(after - before for before, after in pairwise(places)) > 0.1 * (right - left)


def test_a_sweep_without_its_numbers_is_not_drawn() -> None:
    records = [values(name, "wahba_error", [0.5]) for name in ("care", "care-weight-1", "care-weight-3")]
    assert len(sweeps(Rows(collection(*records)))) == 1
    assert weight_plot(Rows(collection(*records))) is None


def test_training_is_drawn_from_snapshots_to_the_end() -> None:
    records = [
        *(values(name, metric, [number], epoch=epoch)
          for name in ("simclr", "care") for metric, number in (("gamma_median", 0.5), ("invariance", 0.25))
          for epoch in (1, 2)),
        *(values(name, metric, [0.125]) for name in ("simclr", "care") for metric in ("gamma_median", "invariance")),
        values("random", "gamma_median", [1.0]),
    ]  # fmt: skip
    found = of(training_plot, *records)
    care = [one for one in found if (one["row"], one["metric"]) == ("care", "gamma_median")]
    assert [(one["epoch"], one["mean"]) for one in care] == [(1, 0.5), (2, 0.5), (4, 0.125)]
    moved = [one["mean"] for one in found if (one["row"], one["metric"]) == ("simclr", "invariance")]
    assert moved == [0.25, 0.25, 0.125]
    assert {one["row"] for one in found} == {"simclr", "care"}
    assert training_plot(Rows(collection(values("simclr", "gamma_median", [1.0])))) is None


def test_the_end_of_training_is_drawn_whatever_other_rows_have_snapshots_of() -> None:
    """The last epoch of one row is one of another's snapshots; a row's own snapshot of the end is no second point."""
    end = json.loads(values("simclr", "gamma_median", [1.0], "proteins")[0].config)["training"]["epochs"]
    records = [
        *(values(row, "gamma_median", [0.5], "proteins", epoch=1) for row in ("simclr", "care")),
        *(values(row, "gamma_median", [0.25], "proteins") for row in ("simclr", "care")),
        *(values(row, "gamma_median", [0.75], epoch=epoch) for row in ("simclr", "care") for epoch in (1, 4, end)),
        *(values(row, "gamma_median", [0.125]) for row in ("simclr", "care")),
    ]
    drawn = [one for one in of(training_plot, *records) if one["row"] == "care"]
    found = {
        dataset: [(one["epoch"], one["mean"]) for one in drawn if one["dataset"] == dataset]
        for dataset in ("digits", "proteins")
    }
    assert found == {"proteins": [(1, 0.5), (end, 0.25)], "digits": [(1, 0.75), (4, 0.75), (end, 0.75)]}


def test_the_gradient_ratio_has_an_interval_at_every_step() -> None:
    base = values("simclr", "gamma_median", [1.0])
    found = of(ratio_plot, base, values("care", "gradient_ratio", [[0.5, 0.2], [0.7, 0.2]]))
    assert [(one["row"], one["share_of_training"], one["seeds"]) for one in found] == [
        ("care", 0.0, 2),
        ("care", 0.5, 2),
    ]
    assert (found[0]["mean"], found[0]["low"]) == pytest.approx((0.6, 0.6 - T1 * 0.1))
    assert (found[1]["low"], found[1]["high"]) == pytest.approx((0.2, 0.2))


def test_the_circle_is_of_encoders_into_the_plane() -> None:
    records = [
        values(name, metric, [[number, 2 * number], [3 * number, 4 * number]])
        for name in ("simclr", "circle", "care-circle")
        for metric, number in (("cosine_mean", 0.1), ("cosine_variance", 0.01))
    ]
    found = of(circle_plot, *records)
    assert [(one["row"], one["draw"]) for one in found] == [
        (name, draw) for name in ("circle", "care-circle") for draw in (0, 1)
    ]
    assert [one["cosine_mean"] for one in found[:2]] == pytest.approx([0.2, 0.3])
    assert [one["cosine_variance"] for one in found[:2]] == pytest.approx([0.02, 0.03])
    assert circle_plot(Rows(collection(*records[:2]))) is None


def test_positive_cosines_have_five_points_and_no_row_without_information() -> None:
    points = {"05": 0.1, "25": 0.3, "50": 0.5, "75": 0.7, "95": 0.9}
    records = [
        values(name, f"positive_cosine_{point}", [cosine, cosine + 0.02])
        for name in ("care", "random", "untrained")
        for point, cosine in points.items()
    ]
    found = of(positive_plot, *records, values("simclr", "positive_cosine_50", [0.5]))
    assert {one["row"] for one in found} == {"care", "untrained"}
    assert [(one["percent_below"], one["cosine"]) for one in found[:5]] == [
        (5, pytest.approx(0.11)),
        (25, pytest.approx(0.31)),
        (50, pytest.approx(0.51)),
        (75, pytest.approx(0.71)),
        (95, pytest.approx(0.91)),
    ]


def test_the_ablation_is_of_single_terms_beside_simclr_care_and_untrained() -> None:
    names = ("simclr", "care", "care-weight-1", "equimod", "moco", "invariance", "untrained", "random")
    records = [values(name, "gamma_median", [0.5, 0.7]) for name in names]
    probes = [values(name, "top1", [80.0], representation="features") for name in names]
    found = of(ablation_plot, *records, *probes)
    assert [one["row"] for one in found if one["metric"] == "top1"] == ["invariance", "simclr", "care", "untrained"]
    gamma = [one for one in found if one["metric"] == "gamma_median"]
    assert (gamma[0]["mean"], gamma[0]["high"]) == pytest.approx((0.6, 0.6 + T1 * 0.1))
    assert ablation_plot(Rows(collection(records[0], records[1]))) is None


def test_the_ablation_has_care_of_every_invariance_weight_and_names_it() -> None:
    names = (*WEAK, "uniformity")
    records = [values(name, "gamma_median", [0.5], "proteins") for name in names]
    named_care = [one.model_copy(update={"variant": "care"}) for one in records[3]]
    found = of(ablation_plot, *records)
    assert [one["row"] for one in found] == ["uniformity", *WEAK]
    plot = ablation_plot(Rows(collection(records[0], records[2], named_care, records[4])))
    assert plot is not None
    assert plot.labels == ("uniformity only", "simclr-weak", "CARE (SimCLR, invariance 0.1)")
    # Another encoder is another experiment.
    circle = [values(name, "gamma_median", [0.5]) for name in ("simclr", "care", "circle", "care-circle", "invariance")]
    assert [one["row"] for one in of(ablation_plot, *circle)] == ["invariance", "simclr", "care"]


def test_the_first_component_has_both_representations() -> None:
    records = [
        values(name, metric, [number], "proteins", representation=representation)
        for name in ("simclr", "care", "untrained")
        for metric, number in (("first_pc_r2", 0.5), ("first_pc_angle", 20.0))
        for representation in ("projection", "features")
    ]
    found = of(component_plot, *records, values("simclr", "gamma_median", [1.0]))
    assert [(one["metric"], one["representation"], one["row"], one["mean"]) for one in found] == [
        (metric, representation, name, number)
        for metric, number in (("first_pc_r2", 0.5), ("first_pc_angle", 20.0))
        for representation in ("projection", "features")
        for name in ("simclr", "care", "untrained")
    ]
    two = [values(name, "first_pc_r2", [0.5], "proteins") for name in ("simclr", "care")]
    assert component_plot(Rows(collection(*two))) is None


def test_an_r2_far_below_the_constant_guess_lies_on_the_edge() -> None:
    known = {"simclr": 0.4, "care": 0.9, "untrained": -349.0}
    projection = [values(name, "first_pc_r2", [0.2], "proteins") for name in known]
    features = [values(name, "first_pc_r2", [r2], "proteins", representation="features") for name, r2 in known.items()]
    plot = component_plot(Rows(collection(*projection, *features)))
    assert plot is not None
    assert plot.caption.count("R² below -0.5 lies on the left edge.") == 1
    assert [row[6] for row in plot.rows if row[1] == "untrained"] == [0.2, -349.0], "the numbers are whole"
    with styled():
        panel = plot.draw().axes[0]
        assert panel.get_xlim()[0] == -0.5
        assert [list(line.get_xdata()) for line in panel.lines if line.get_marker() == "<"] == [[-0.5]]
    within = component_plot(Rows(collection(*projection, *features[:2])))
    assert within is not None
    assert "edge" not in within.caption


def test_composition_is_of_families_and_reference_rows_beside_the_movement() -> None:
    names = ("simclr", "care", "care-weight-1", "moco", "untrained")
    records = [values(name, "composition_error", [[0.1, 0.3]]) for name in names]
    found = of(composition_plot, *records, values("care", "invariance", [0.4]))
    assert [(one["row"], one["metric"], one["mean"]) for one in found] == [
        ("simclr", "composition_error", 0.2),
        ("care", "composition_error", 0.2),
        ("untrained", "composition_error", 0.2),
        ("care", "invariance", 0.4),
    ]
