"""Values of the wrong type are refused in one line; the different spellings of a number in a file are accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from care_bench.config import (
    MethodSettings,
    parse_profile,
    parse_scalars,
    read_evaluation,
    read_profile,
    read_run,
    read_yaml,
)
from care_bench.errors import CareBenchError
from tests.config.editing import edited

ROOT = Path(__file__).parents[2]
PROFILES = sorted((ROOT / "workflows/config").glob("*.yaml"))
PROFILE: dict[str, Any] = {
    "profile": "tiny",
    "seeds": [0],
    "evaluation": {},
    "datasets": {
        "digits": {
            "preset": "digits",
            "encoder": {},
            "augmentation": {},
            "training": {"batch_size": 64},
            "why": {},
            "methods": {
                "moco_v2": {"name": "moco_v2", "queue": 128},
                "care": {"name": "care", "base": {"name": "simclr"}, "splits": 16, "weight": 0.3},
            },
        }
    },
}
NUMBER, WHOLE, TRUTH = "expected a number", "expected a whole number without a decimal point", "expected true or false"
TEXT, LIST, KEYS = "expected a string", "expected a list", "expected keys with their values"
METHODS, TRAINING, ENCODER = "datasets.digits.methods", "datasets.digits.training", "datasets.digits.encoder"
ADAM = {"name": "adam", "learning_rate": 0.001}


WRONG = [
    (f"{METHODS}.care.weight", True, "settings of 'care': weight = true", NUMBER),
    (f"{METHODS}.care.weight", "0.3", "settings of 'care': weight = '0.3'", NUMBER),
    (f"{METHODS}.care.weight", None, "settings of 'care': weight = null", NUMBER),
    (f"{TRAINING}.epochs", [True, {"a": None}], "training.epochs = [true, {'a': null}]", WHOLE),
    (f"{TRAINING}.epochs", [10], "training.epochs = [10]", WHOLE),  # a list in a variant is a sweep
    (f"{METHODS}.care.splits", True, "settings of 'care': splits = true", WHOLE),
    (f"{METHODS}.care.splits", 16.0, "settings of 'care': splits = 16.0", WHOLE),
    (f"{METHODS}.care.base.temperature", False, "settings of 'simclr': temperature = false", NUMBER),
    (f"{METHODS}.care.base", "simclr", "settings of 'care': base = 'simclr'", KEYS),
    (f"{METHODS}.moco_v2.symmetric", None, "settings of 'moco_v2': symmetric = null", TRUTH),
    (f"{METHODS}.moco_v2.symmetric", 1, "settings of 'moco_v2': symmetric = 1", TRUTH),
    (f"{METHODS}.moco_v2.symmetric", "yes", "settings of 'moco_v2': symmetric = 'yes'", TRUTH),
    (f"{METHODS}.care.training", {"threads": "2"}, "training.threads = '2'", WHOLE),
    (f"{TRAINING}.epochs", 10.0, "training.epochs = 10.0", WHOLE),
    (f"{TRAINING}.steps", False, "training.steps = false", WHOLE),
    (f"{TRAINING}.deterministic", 0, "training.deterministic = 0", TRUTH),
    (f"{TRAINING}.snapshot_epochs", ["1"], "training.snapshot_epochs.0 = '1'", WHOLE),
    (f"{TRAINING}.optimizer", {**ADAM, "learning_rate": "fast"}, "training.optimizer.learning_rate = 'fast'", NUMBER),
    (f"{TRAINING}.optimizer", "adam", "training.optimizer = 'adam'", KEYS),
    (f"{ENCODER}.projector", {"hidden": 128}, "encoder.projector.hidden = 128", LIST),
    (f"{ENCODER}.projector", {"hidden": [128.5]}, "encoder.projector.hidden.0 = 128.5", WHOLE),
    (f"{ENCODER}.backbone", {"name": "convnet", "width": True}, "settings of 'convnet': width = true", WHOLE),
    ("datasets.digits.augmentation.jitter", [0, 0, 0, True], "augmentation.jitter.3 = true", NUMBER),
    ("datasets.digits.why.seeds", 3, "here: datasets.digits.why.seeds = 3", TEXT),
    ("seeds", ["3"], "here: seeds.0 = '3'", WHOLE),
    ("seeds", [True], "here: seeds.0 = true", WHOLE),
    ("seeds", 3, "here: seeds = 3", LIST),
    ("steps", 2.0, "here: steps = 2.0", WHOLE),
    ("skip_broken", 1, "here: skip_broken = 1", TRUTH),
    ("profile", 3, "here: profile = 3", TEXT),
    ("raw", ["raw"], "here: raw = ['raw']", TEXT),
    ("evaluation.samples", "64", "here: evaluation.samples = '64'", WHOLE),
    ("evaluation.classifier_seeds", True, "here: evaluation.classifier_seeds = true", WHOLE),
]


@pytest.mark.parametrize(("path", "value", "found", "expected"), WRONG)
def test_a_wrong_type_is_one_line_with_key_value_and_what_was_expected(
    path: str, value: Any, found: str, expected: str
) -> None:
    with pytest.raises(CareBenchError) as caught:
        parse_profile(edited(PROFILE, path, value), "here").runs()
    line = str(caught.value)
    assert line.endswith(f"{found}: {expected}")
    assert "\n" not in line


def test_a_key_that_decides_on_the_others_is_named() -> None:
    for optimizer, said in (
        ({"learning_rate": 0.1}, "key 'training.optimizer.name' is missing"),
        ({"name": "adm"}, "training.optimizer.name = 'adm': expected one of 'adam', 'sgd', 'lars'"),
    ):
        with pytest.raises(CareBenchError) as caught:
            parse_profile(edited(PROFILE, f"{TRAINING}.optimizer", optimizer), "here").runs()
        assert str(caught.value).endswith(said)


def test_an_integer_is_accepted_as_float_and_a_list_as_tuple() -> None:
    whole = edited(PROFILE, f"{METHODS}.care.weight", 1)
    whole["datasets"]["digits"] |= {
        "encoder": {"projector": {"hidden": [7, 8]}},
        "augmentation": {"crop_scale": [1, 1]},
    }
    run = parse_profile(whole, "here").runs()[1].model_dump()
    assert run["method"]["weight"] == 1.0
    assert isinstance(run["method"]["weight"], float)
    assert run["encoder"]["projector"]["hidden"] == (7, 8)
    assert run["augmentation"]["crop_scale"] == (1.0, 1.0)


class Strange(MethodSettings):
    """Settings with a field that only another package could have."""

    name: Literal["strange"]
    share: float = 0.5
    widths: dict[str, tuple[int, ...]] | None = None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("share", True, f"share = true: {NUMBER}"),
        ("widths", {"a": [1, "2"]}, f"widths.a.1 = '2': {WHOLE}"),
    ],
)
def test_settings_of_other_packages_are_as_strict(key: str, value: Any, message: str) -> None:
    assert Strange.parse({"name": "strange", "widths": {"a": [1, 2]}}, "here").widths == {"a": (1, 2)}
    with pytest.raises(CareBenchError) as caught:
        Strange.parse({"name": "strange", key: value}, "here")
    assert str(caught.value) == f"here: {message}"


# Numbers in YAML 1.2, and to anybody who writes a learning rate; PyYAML reads most of them as strings.
EXPONENTS = {"1e-6": 1e-6, "1E-6": 1e-6, "1e6": 1e6, "1.0e6": 1e6, "1.e+2": 100.0, ".5e-3": 5e-4, "-2e1": -20.0}


@pytest.mark.parametrize(("text", "number"), EXPONENTS.items())
def test_a_number_with_an_exponent_is_a_number(text: str, number: float, tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text(f"{{plain: {text}, quoted: '{text}', word: x{text}, key: [{text}]}}")
    assert read_yaml(path) == {"plain": number, "quoted": text, "word": f"x{text}", "key": [number]}
    assert isinstance(read_yaml(path)["plain"], float)


@pytest.mark.parametrize("text", ["1e-6", "'1e-6'"])
def test_a_learning_rate_is_read_from_a_profile_unless_it_is_quoted(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    content = edited(PROFILE, f"{TRAINING}.optimizer", {**ADAM, "weight_decay": "DECAY"})
    path.write_text(yaml.safe_dump(content, sort_keys=False).replace("DECAY", text))
    if text == "1e-6":
        assert read_profile(path).runs()[0].training.optimizer.weight_decay == 1e-6
    else:
        with pytest.raises(CareBenchError, match=r"training\.optimizer\.weight_decay = '1e-6': expected a number"):
            read_profile(path).runs()


def test_files_of_a_run_and_of_its_evaluation_are_as_strict(tmp_path: Path) -> None:
    run = json.loads(parse_profile(PROFILE, "here").runs()[0].model_dump_json())
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**run, "seed": "3"}))
    with pytest.raises(CareBenchError) as caught:
        read_run(path, None)
    assert str(caught.value) == f"{path}: seed = '3': {WHOLE}"
    path.write_text('{"augmentations": 2.0}')
    with pytest.raises(CareBenchError) as caught:
        read_evaluation(path)
    assert str(caught.value) == f"{path}: augmentations = 2.0: {WHOLE}"


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_variant_of_the_profiles_comes_back_from_its_file(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    runs = read_profile(path).runs()
    assert runs
    variants = {(run.dataset, run.variant): run for run in runs}  # runs of a variant differ in their seed alone
    for run in variants.values():
        file.write_text(run.model_dump_json())
        assert read_run(file, None).sha256() == run.sha256()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"seeds": ["0", "7"]}, {"seeds": [0, 7]}),
        ({"steps": 2, "skip_broken": "true"}, {"steps": 2, "skip_broken": True}),
        ({"evaluation": {"samples": "64"}}, {"evaluation": {"samples": 64}}),
        ({"raw": "/raw: data", "profile": "2026-99-99"}, {"raw": "/raw: data", "profile": "2026-99-99"}),
        ({"rate": ["1e-6", "1.5", "x", "="]}, {"rate": [1e-6, 1.5, "x", "="]}),
    ],
)
def test_strings_of_the_command_line_get_the_types_of_a_file(given: dict[str, Any], meant: dict[str, Any]) -> None:
    assert parse_scalars(given) == meant
    assert repr(parse_scalars(given)) == repr(meant), "1 and True are equal"
