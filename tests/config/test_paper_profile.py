"""The paper profile is the paper's: every run beside the known values, every experiment with its rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from care_bench.config import Profile, RunConfig, read_profile
from care_bench.data.preparing import fragments, photographs
from care_bench.data.sources import imagenet100
from care_bench.metrics.linear_probe import RECIPES
from care_bench.metrics.retrieval import NEIGHBOURS
from care_bench.metrics.trajectories import CLOUDS, STEPS
from care_bench.report.paper_settings import Fact, Place, applying, canonical, read_facts
from care_bench.report.settings_comparison import NO_REASON, PARTS, compare
from tests.config.paper_and_code import BOTH, PROBES
from tests.config.paper_choices import CHOICES, DIFFERENCES, FREE, THROUGH
from tests.config.paper_values import (
    RELEASED_GPUS,
    RELEASED_IMAGES,
    RELEASED_SPLITS,
    RELEASED_SPLITS_PER_GPU,
    ROWS,
)

ROOT = Path(__file__).parents[2]
IDENTITY = {"profile", "dataset", "variant", "seed", "method.name", "method.base.name", "augmentation.kind"}


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


EVERY_ROW = pytest.mark.parametrize(
    ("dataset", "row"), [(dataset, row) for dataset, rows in ROWS.items() for row in rows]
)


@EVERY_ROW
def test_every_setting_of_a_run_is_written_out(dataset: str, row: str, runs: dict[tuple[str, str], RunConfig]) -> None:
    config = flat(runs[dataset, row].model_dump(mode="json"))
    written = {**ROWS[dataset][row], **CHOICES[dataset][row]}
    assert {key: value for key, value in config.items() if key in written} == written
    assert set(config) == set(written) | (set(config) & (IDENTITY | FREE))


@EVERY_ROW
def test_the_reference_knows_what_is_known_and_nothing_of_what_is_chosen(
    dataset: str, row: str, runs: dict[tuple[str, str], RunConfig], facts: list[Fact]
) -> None:
    method = runs[dataset, row].method
    known = applying(facts, Place(dataset, method.name, method.base_name))
    for key, value in ROWS[dataset][row].items():
        assert canonical(value) in {value for fact in known[key] for value in known_to(fact, row)}, key
    for key, value in CHOICES[dataset][row].items():
        values = {(fact.paper, fact.released_code) for fact in known.get(key, [])}
        unknown = not values or (None, None) in values
        departs = row in DIFFERENCES[dataset].get(key, ())
        assert unknown or departs or any(canonical(value) in pair for pair in values), key


def known_to(fact: Fact, row: str) -> set[str | None]:
    """Return the values of the source that a row follows; EquiMod's rows follow its release and the paper's encoder."""
    first, second = fact.paper, fact.released_code
    if row.startswith("equimod"):
        return {first, second}
    return {(second or first) if row.endswith("released-code") else (first or second)}


def test_what_differs_is_what_is_meant_to_differ(profile: Profile, facts: list[Fact]) -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for dataset in compare(profile, facts):
        differing = found.setdefault(dataset.name, {})
        for line in dataset.groups.get("differs", []):
            if line.fact.key.partition(".")[0] in PARTS[:4]:
                differing.setdefault(line.fact.key, set()).update(line.rows)
    assert found == DIFFERENCES


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
    # Fig. 7: weights on both sides of [0.01, 0.1], its ends, and one inside; the same of [0.3, 3], which it is on the
    # printed formula if it was found on the released code's scale, 2 (16 - 1) times as large at chunks of 16.
    sweep = of(runs, "cifar10", **CARE_BY_THE_TEXT)
    weights = sorted({flat(run.model_dump())["method.weight"] for run in sweep})
    assert weights == [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]
    # Fig. 9.
    assert {run.method.name for run in of(runs, "flowers102")} == {"simclr", "care"}
    # Fig. 10, with `simclr` as invariance and uniformity together.
    parts = {"invariance", "uniformity", "equivariance", "uniformity_equivariance", "simclr", "care"}
    assert parts <= {run.method.name for run in of(runs, "cifar10", encoder__backbone__name="resnet50")}
    assert {run.method.fidelity_used for run in of(runs, "cifar10", method__name="uniformity_equivariance")} == {
        "paper",
        "released-code",
    }
    # Fig. 11 to 16: the same through training.
    for name in parts:
        assert runs["cifar10", name].training.snapshot_epochs == tuple(THROUGH)
    # Fig. 21, Appendix E: one draw a batch on either scale, and nothing else is different.
    for fidelity, draw, plain in (("paper", "batch", "care"), ("released-code", "chunk", "care-released-code")):
        (changed,) = of(runs, "cifar10", method__name="care", method__fidelity=fidelity, method__sharing=draw)
        assert changed.training.snapshot_epochs == tuple(THROUGH)
        one, other = flat(changed.model_dump()), flat(runs["cifar10", plain].model_dump())
        assert {key for key in one if one[key] != other[key]} == {"variant", "method.sharing"}


CARE_BY_THE_TEXT = {
    "method__name": "care",
    "method__base__name": "simclr",
    "method__fidelity": "paper",
    "method__sharing": "chunk",
    "method__representation": "projection",
    "method__loss": "gram",
    "encoder__backbone__name": "resnet50",
}


def test_controls_differ_from_what_they_control_in_one_thing(runs: dict[tuple[str, str], RunConfig]) -> None:
    def differing(dataset: str, row: str, other: str) -> set[str]:
        one, two = (flat(runs[dataset, name].model_dump()) for name in (row, other))
        return {key for key in one.keys() | two.keys() if one.get(key) != two.get(key)} - {"variant"}

    for base in ("simclr", "moco_v2"):
        assert differing("imagenet100", f"{base}-synchronised", base) == {"training.batchnorm"}
    care = runs["imagenet100", "care"].training
    assert runs["imagenet100", "simclr-synchronised"].training == care
    control, equimod = (runs["cifar10", row] for row in ("simclr-equimod-recipe", "equimod-simclr"))
    assert (control.training, control.augmentation, control.encoder) == (
        equimod.training,
        equimod.augmentation,
        equimod.encoder,
    )


def test_the_released_chunks_of_imagenet100_are_the_codes(runs: dict[tuple[str, str], RunConfig]) -> None:
    chunk = RELEASED_IMAGES // RELEASED_GPUS // RELEASED_SPLITS_PER_GPU
    assert chunk == 8
    for row in ("care-released-code", "care-moco_v2-released-code"):
        config = flat(runs["imagenet100", row].model_dump())
        assert (config["method.splits"], config["training.batch_size"]) == (RELEASED_SPLITS, chunk * RELEASED_SPLITS)


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

    assert set(RECIPES) == set(PROBES)
    for protocol, (dataset, settings) in PROBES.items():
        recipe = RECIPES[protocol]
        optimizer: Any = recipe.optimizer
        values = {
            "epochs": recipe.epochs,
            "batch": recipe.batch,
            "optimizer": optimizer.func.__name__.lower(),
            "learning rate": optimizer.keywords["lr"],
            "learning rate falls to a tenth at epochs": list(recipe.milestones),
            "momentum": optimizer.keywords.get("momentum"),
            "weight decay": optimizer.keywords.get("weight_decay", 0),
        }
        assert {name: value for name, value in values.items() if value not in ([], None)} == settings
        for name, value in settings.items():
            assert fixed(dataset, f"(linear probe: {name})") == canonical(value), name
    assert fixed("imagenet100", "(number of classes)") == canonical(imagenet100.CLASSES)
    assert str(photographs.PIXELS) in (fixed("imagenet100", "(image that is cropped)") or "")
    assert fixed("flowers102", "(neighbours)") == canonical(NEIGHBOURS)
    assert fixed("pdb", "(rotations about each of three axes)") == canonical(STEPS)
    assert fixed("pdb", "(proteins with a trajectory)") == canonical(CLOUDS)
    assert (fixed("pdb", "(points of a cloud)") or "").startswith(f'"{fragments.FRAGMENT} ')
