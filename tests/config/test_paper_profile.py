"""The paper profile is the paper's: every run beside the known values, every experiment with its rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from care_bench.config import Profile, RunConfig, read_profile
from care_bench.data import imagenet100, photographs, proteins
from care_bench.evaluation.linear_probe import RECIPES
from care_bench.evaluation.retrieval import NEIGHBOURS
from care_bench.evaluation.trajectories import CLOUDS, STEPS
from care_bench.report.paper_settings import Fact, Place, applying, canonical, read_facts
from care_bench.report.settings_comparison import NO_REASON, compare
from tests.config.paper_values import BOTH, ROWS

ROOT = Path(__file__).parents[2]
IDENTITY = {"profile", "dataset", "variant", "seed", "method.name", "method.base.name", "augmentation.kind"}
CHOSEN = {
    *("method.invariance_weight", "method.base.invariance_weight", "method.symmetric", "method.base.symmetric"),
    *("method.temperature", "method.base.temperature", "method.queue", "method.base.queue"),
    *("method.momentum", "method.base.momentum", "method.on", "method.loss", "method.splits", "method.weight"),
    *("method.predictor_hidden", "encoder.projector.hidden", "encoder.projector.output"),
    *("encoder.backbone.name", "encoder.backbone.stem", "encoder.backbone.width"),
    *(f"augmentation.{key}" for key in ("size", "crop_scale", "flip_probability", "jitter", "jitter_probability")),
    *(f"augmentation.{key}" for key in ("grayscale_probability", "blur_probability", "blur_kernel", "blur_sigma")),
    *("augmentation.test_view", "training.epochs", "training.batch_size", "training.schedule"),
    *(f"training.optimizer.{key}" for key in ("name", "learning_rate", "weight_decay")),
    *("training.warmup_epochs", "training.steps", "training.devices", "training.batchnorm", "training.precision"),
    *("training.deterministic", "training.threads", "training.checkpoint_every", "training.snapshot_epochs"),
}
"""Keys that some rows have without a known value."""


@pytest.fixture(scope="module")
def profile() -> Profile:
    return read_profile(ROOT / "workflows/config/paper.yaml")


@pytest.fixture(scope="module")
def runs(profile: Profile) -> dict[tuple[str, str], RunConfig]:
    return {(run.dataset, run.variant): run for run in profile.runs()}


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    return read_facts(ROOT / "results")


def flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def of(runs: dict[tuple[str, str], RunConfig], dataset: str, **wanted: Any) -> list[RunConfig]:
    """Runs of a data set whose settings are as wanted; dots of keys are written __."""
    keys = {key.replace("__", "."): value for key, value in wanted.items()}
    found = [(run, flat(run.model_dump(mode="json"))) for (name, _), run in runs.items() if name == dataset]
    return [run for run, config in found if all(config.get(key) == value for key, value in keys.items())]


def test_the_rows_are_those_written_out(runs: dict[tuple[str, str], RunConfig]) -> None:
    assert set(runs) == {(dataset, row) for dataset, rows in ROWS.items() for row in rows}


@pytest.mark.parametrize(("dataset", "row"), [(dataset, row) for dataset, rows in ROWS.items() for row in rows])
def test_every_setting_of_a_run_is_the_known_value(
    dataset: str, row: str, runs: dict[tuple[str, str], RunConfig]
) -> None:
    config = flat(runs[dataset, row].model_dump(mode="json"))
    known = ROWS[dataset][row]
    assert {key: config.get(key) for key in known} == known
    assert set(config) - set(known) <= IDENTITY | CHOSEN


@pytest.mark.parametrize(("dataset", "row"), [(dataset, row) for dataset, rows in ROWS.items() for row in rows])
def test_the_reference_knows_the_same_values(
    dataset: str, row: str, runs: dict[tuple[str, str], RunConfig], facts: list[Fact]
) -> None:
    method = runs[dataset, row].method
    known = applying(facts, Place(dataset, method.name, method.base_name))
    for key, value in ROWS[dataset][row].items():
        assert canonical(value) in {known_to(fact, row) for fact in known[key]} | OWN.get((row, key), set()), key


def known_to(fact: Fact, row: str) -> str | None:
    first, second = fact.paper, fact.released_code
    return (second or first) if row.endswith("released-code") else (first or second)


OWN = {
    ("care-features", "method.on"): {'"features"'},
    ("care-wahba", "method.loss"): {'"wahba"'},
    **{(f"care-weight-{weight}", "method.weight"): {str(weight)} for weight in (0.001, 0.003, 0.03, 0.1, 0.3, 1)},
}
"""Values that no paper has: what its reviewers asked for, and the grid around its weight."""


@pytest.mark.parametrize(("dataset", "method", "base", "key", "paper", "code"), BOTH)
def test_the_reference_tells_paper_and_released_code_apart(
    dataset: str, method: str, base: str | None, key: str, paper: Any, code: Any, facts: list[Fact]
) -> None:
    fact = applying(facts, Place(dataset, method, base))[key][0]
    expected = tuple(None if value is None else canonical(value) for value in (paper, code))
    assert (fact.paper, fact.released_code) == expected


def test_every_value_of_table_1_has_a_run(runs: dict[tuple[str, str], RunConfig]) -> None:
    with (ROOT / "results/reference/table1.csv").open() as file:
        entries = [row for row in csv.DictReader(file) if row["top1_percent"]]
    assert len(entries) == 27
    present = {(run.dataset, run.method.name, run.method.base_name, run.method.fidelity_used) for run in runs.values()}
    for row in entries:
        fidelities = ("paper", "released-code") if row["method"] == "care" else (None,)
        for fidelity in fidelities:
            assert (row["dataset"], row["method"], row["base"] or None, fidelity) in present


def test_every_figure_has_its_rows(runs: dict[tuple[str, str], RunConfig]) -> None:
    # Fig. 3 and 4.
    assert {run.method.name for run in of(runs, "pdb")} == {"care", "simclr", "uniformity", "invariance"}
    # Fig. 5 and 8: ResNet-18, through training. Fig. 6: to the circle.
    for width in (128, 2):
        shown = of(runs, "cifar10", encoder__backbone__name="resnet18", encoder__projector__output=width)
        names = sorted((run.method.name, run.method.fidelity_used or "") for run in shown)
        assert names == [("care", "paper"), ("care", "released-code"), ("simclr", "")]
        assert {len(run.training.snapshot_epochs) > 5 for run in shown} == {width == 128}
    # Fig. 7: weights on both sides of [0.01, 0.1], its ends, and one inside.
    sweep = of(runs, "cifar10", **CARE_BY_THE_TEXT)
    assert sorted({flat(run.model_dump())["method.weight"] for run in sweep}) == [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]
    # Fig. 9.
    assert {run.method.name for run in of(runs, "flowers102")} == {"simclr", "care"}
    # Fig. 10, with `simclr` as invariance and uniformity together.
    parts = {"invariance", "uniformity", "equivariance", "uniformity_equivariance", "simclr", "care"}
    assert parts <= {run.method.name for run in of(runs, "cifar10", encoder__backbone__name="resnet50")}
    # Appendix E: one draw a batch, and nothing else is different.
    (one_draw,) = of(runs, "cifar10", method__fidelity="paper", method__sharing="batch")
    one, other = flat(one_draw.model_dump()), flat(runs["cifar10", "care"].model_dump())
    assert {key for key in one if one[key] != other[key]} == {"variant", "method.sharing"}


CARE_BY_THE_TEXT = {
    "method__name": "care",
    "method__base__name": "simclr",
    "method__fidelity": "paper",
    "method__sharing": "chunk",
    "method__on": "projection",
    "method__loss": "gram",
    "encoder__backbone__name": "resnet50",
}


def test_seeds_and_repeats(profile: Profile) -> None:
    assert profile.seeds == [0, 1, 2]
    assert len(profile.runs()) == 3 * sum(map(len, ROWS.values()))
    assert profile.evaluation.classifier_seeds == 3
    assert profile.evaluation.augmentations == 20
    assert profile.steps is None


def test_chunks_are_whole_and_queues_take_whole_batches(runs: dict[tuple[str, str], RunConfig]) -> None:
    for run in runs.values():
        config = flat(run.model_dump())
        chunk, rest = divmod(config["training.batch_size"], config.get("method.splits", 1))
        assert rest == 0
        assert chunk >= 2
        queue = config.get("method.queue", config.get("method.base.queue", 0))
        assert queue % config["training.batch_size"] == 0


def test_every_difference_has_its_reason_and_every_reason_its_difference(profile: Profile, facts: list[Fact]) -> None:
    for dataset in compare(profile, facts):
        reasons = {(line.fact.key, line.verdict.why) for line in dataset.lines if line.verdict.why}
        assert not [key for key, why in reasons if why == NO_REASON]
        assert set(profile.datasets[dataset.name].why.items()) <= reasons


def test_every_fact_is_about_a_run(profile: Profile, facts: list[Fact]) -> None:
    keys = {dataset.name: {line.fact.key for line in dataset.lines} for dataset in compare(profile, facts)}
    for fact in facts:
        places = keys if fact.datasets == ("*",) else fact.datasets
        assert any(fact.key in keys[place] for place in places), fact
    shown = {line.fact for dataset in compare(profile, facts) for line in dataset.lines}
    assert set(facts) == shown


def test_what_is_fixed_is_what_the_code_has(facts: list[Fact]) -> None:
    def fixed(dataset: str, key: str) -> str | None:
        return applying(facts, Place(dataset, "simclr", None))[key][0].ours_fixed

    for dataset, protocol in (("stl10", "paper-small-v1"), ("imagenet100", "paper-imagenet100-v1")):
        recipe = RECIPES[protocol]
        optimizer: Any = recipe.optimizer
        values = {
            "epochs": recipe.epochs,
            "batch": recipe.batch,
            "optimizer": optimizer.func.__name__.lower(),
            "learning rate": optimizer.keywords["lr"],
            "weight decay": optimizer.keywords.get("weight_decay", 0),
        }
        assert {name: fixed(dataset, f"(linear probe: {name})") for name in values} == {
            name: canonical(value) for name, value in values.items()
        }
    imagenet: Any = RECIPES["paper-imagenet100-v1"]
    milestones = fixed("imagenet100", "(linear probe: learning rate falls to a tenth at epochs)")
    assert milestones == canonical(imagenet.milestones)
    assert fixed("imagenet100", "(linear probe: momentum)") == canonical(imagenet.optimizer.keywords["momentum"])
    assert fixed("imagenet100", "(number of classes)") == canonical(imagenet100.CLASSES)
    assert str(photographs.PIXELS) in (fixed("imagenet100", "(image that is cropped)") or "")
    assert fixed("flowers102", "(neighbours)") == canonical(NEIGHBOURS)
    assert fixed("pdb", "(rotations about each of three axes)") == canonical(STEPS)
    assert fixed("pdb", "(proteins with a trajectory)") == canonical(CLOUDS)
    assert (fixed("pdb", "(points of a cloud)") or "").startswith(f'"{proteins.FRAGMENT} ')
