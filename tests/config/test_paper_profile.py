"""The paper profile: every run has the known settings, every experiment has its variants."""

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
    VARIANTS,
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
    """Return the runs of a data set with the given settings; `__` stands for the dot of a key."""
    keys = {key.replace("__", "."): value for key, value in wanted.items()}
    found = [(run, flat(run.model_dump(mode="json"))) for (name, _), run in runs.items() if name == dataset]
    return [run for run, config in found if all(config.get(key) == value for key, value in keys.items())]


def test_the_variants_are_the_expected_ones(runs: dict[tuple[str, str], RunConfig]) -> None:
    assert set(runs) == {(dataset, variant) for dataset, variants in VARIANTS.items() for variant in variants}


EVERY_VARIANT = pytest.mark.parametrize(
    ("dataset", "variant"), [(dataset, variant) for dataset, variants in VARIANTS.items() for variant in variants]
)


@EVERY_VARIANT
def test_every_setting_of_a_run_is_the_expected_one(
    dataset: str, variant: str, runs: dict[tuple[str, str], RunConfig]
) -> None:
    config = flat(runs[dataset, variant].model_dump(mode="json"))
    written = {**VARIANTS[dataset][variant], **CHOICES[dataset][variant]}
    assert {key: value for key, value in config.items() if key in written} == written
    assert set(config) == set(written) | (set(config) & (IDENTITY | FREE))


@EVERY_VARIANT
def test_the_reference_has_every_known_setting_and_no_chosen_one(
    dataset: str, variant: str, runs: dict[tuple[str, str], RunConfig], facts: list[Fact]
) -> None:
    method = runs[dataset, variant].method
    known = applying(facts, Place(dataset, method.name, method.base_name))
    for key, value in VARIANTS[dataset][variant].items():
        assert canonical(value) in {value for fact in known[key] for value in known_to(fact, variant)}, key
    for key, value in CHOICES[dataset][variant].items():
        values = {(fact.paper, fact.released_code) for fact in known.get(key, [])}
        unknown = not values or (None, None) in values
        departs = variant in DIFFERENCES[dataset].get(key, ())
        assert unknown or departs or any(canonical(value) in pair for pair in values), key


def known_to(fact: Fact, variant: str) -> set[str | None]:
    """Return the values of the source that a variant follows: for EquiMod its release and the paper, for others one."""
    first, second = fact.paper, fact.released_code
    if variant.startswith("equimod"):
        return {first, second}
    return {(second or first) if variant.endswith("released-code") else (first or second)}


def test_only_the_intended_settings_differ_from_the_reference(profile: Profile, facts: list[Fact]) -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for dataset in compare(profile, facts):
        differing = found.setdefault(dataset.name, {})
        for line in dataset.groups.get("differs", []):
            if line.fact.key.partition(".")[0] in PARTS[:4]:
                differing.setdefault(line.fact.key, set()).update(line.rows)
    assert found == DIFFERENCES


@pytest.mark.parametrize(("dataset", "method", "base", "key", "paper", "code"), BOTH)
def test_the_reference_has_the_values_of_paper_and_released_code(
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


def test_every_figure_has_its_variants(runs: dict[tuple[str, str], RunConfig]) -> None:
    # Fig. 3 and 4.
    assert {run.method.name for run in of(runs, "pdb")} == {"care", "simclr", "uniformity", "invariance"}
    # Fig. 5 and 8: ResNet-18, measured over training. Fig. 6: an encoder to the circle.
    for width in (128, 2):
        shown = of(runs, "cifar10", encoder__backbone__name="resnet18", encoder__projector__output=width)
        names = sorted((run.method.name, run.method.fidelity_used or "") for run in shown)
        assert names == [("care", "paper"), ("care", "released-code"), ("simclr", "")]
        assert {len(run.training.snapshot_epochs) > 5 for run in shown} == {width == 128}
    # Fig. 7: the sweep covers [0.01, 0.1] and [0.3, 3], with weights inside and beyond both ends of each. The second is
    # the same range if the paper measured it on the released code's scale, 2 (16 - 1) times as large with chunks of 16.
    sweep = of(runs, "cifar10", **CARE_BY_THE_TEXT)
    weights = sorted({flat(run.model_dump())["method.weight"] for run in sweep})
    assert weights == [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]
    # Fig. 9 and 21.
    assert {run.method.name for run in of(runs, "flowers102")} == {"simclr", "care", "equimod"}
    # Fig. 10; `simclr` is invariance and uniformity together.
    parts = {"invariance", "uniformity", "equivariance", "uniformity_equivariance", "simclr", "care"}
    assert parts <= {run.method.name for run in of(runs, "cifar10", encoder__backbone__name="resnet50")}
    assert {run.method.fidelity_used for run in of(runs, "cifar10", method__name="uniformity_equivariance")} == {
        "paper",
        "released-code",
    }
    # Fig. 11 to 16: the same, measured over training.
    for name in parts:
        assert runs["cifar10", name].training.snapshot_epochs == tuple(THROUGH)
    # Appendix E: on either scale, only the sharing of the draw differs.
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


def test_a_control_differs_from_its_variant_in_one_setting(runs: dict[tuple[str, str], RunConfig]) -> None:
    def differing(dataset: str, variant: str, other: str) -> set[str]:
        one, two = (flat(runs[dataset, name].model_dump()) for name in (variant, other))
        return {key for key in one.keys() | two.keys() if one.get(key) != two.get(key)} - {"variant"}

    for base in ("simclr", "moco_v2"):
        assert differing("imagenet100", f"{base}-synchronised", base) == {"training.batchnorm"}
    care = runs["imagenet100", "care"].training
    assert runs["imagenet100", "simclr-synchronised"].training == care
    control, equimod = (runs["cifar10", variant] for variant in ("simclr-equimod-recipe", "equimod-simclr"))
    assert (control.training, control.augmentation, control.encoder) == (
        equimod.training,
        equimod.augmentation,
        equimod.encoder,
    )


def test_the_chunks_of_imagenet100_have_the_size_of_the_released_code(runs: dict[tuple[str, str], RunConfig]) -> None:
    chunk = RELEASED_IMAGES // RELEASED_GPUS // RELEASED_SPLITS_PER_GPU
    assert chunk == 8
    for variant in ("care-released-code", "care-moco_v2-released-code"):
        config = flat(runs["imagenet100", variant].model_dump())
        assert (config["method.splits"], config["training.batch_size"]) == (RELEASED_SPLITS, chunk * RELEASED_SPLITS)


def test_numbers_of_seeds_and_repeats(profile: Profile) -> None:
    assert profile.seeds == [0, 1, 2]
    assert len(profile.runs()) == 3 * sum(map(len, VARIANTS.values()))
    assert profile.evaluation.classifier_seeds == 3
    assert profile.evaluation.augmentations == 20
    assert profile.steps is None


def test_splits_and_queues_fit_the_batch_size(runs: dict[tuple[str, str], RunConfig]) -> None:
    for run in runs.values():
        config = flat(run.model_dump())
        chunk, rest = divmod(config["training.batch_size"], config.get("method.splits", 1))
        assert rest == 0
        assert chunk >= 2
        queue = config.get("method.queue", config.get("method.base.queue", 0))
        assert queue % config["training.batch_size"] == 0


def test_every_difference_has_a_reason_and_every_reason_a_difference(profile: Profile, facts: list[Fact]) -> None:
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


def test_fixed_values_are_those_of_the_code(facts: list[Fact]) -> None:
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


@pytest.mark.parametrize("dataset", ["cifar10", "flowers102"])
def test_rows_on_the_released_scale_have_chunks_of_one_size(profile: Profile, dataset: str) -> None:
    """A weight acts 2 (chunk size - 1) times as strongly on that scale: 30 times with chunks of 16."""
    runs = [run for run in profile.runs() if run.dataset == dataset and run.variant.endswith("released-code")]
    sizes = {run.variant: run.training.batch_size / run.method.splits for run in runs if hasattr(run.method, "splits")}
    assert sizes == dict.fromkeys(sizes, 16.0)
    assert len(sizes) >= 1
