"""Requirements on the components of each group, and the packages named in records."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from care_bench import plugins
from care_bench.artifacts import environment
from care_bench.config.methods import METHOD_SETTINGS, parse_method
from care_bench.config.offered_claims import CLAIMS, rules_for
from care_bench.data import DATASETS
from care_bench.errors import CareBenchError
from care_bench.evaluation.protocols import OURS, PROTOCOLS
from care_bench.methods import METHODS

Offer = Callable[..., Path]
METHOD = """
from typing import Literal
from care_bench.config import MethodSettings
from care_bench.methods import Method, SiameseMethod
from care_bench.methods.simclr import SimCLR

class Differing(MethodSettings):
    name: Literal["another"]

class Any(MethodSettings):
    pass

class Fitting(MethodSettings):
    siamese = True
    name: Literal["given"]

class OtherName(SimCLR):
    Settings = Differing

class AnyName(SimCLR):
    Settings = Any

class Unfinished(SiameseMethod):
    Settings = Fitting

class NotSiamese(Method):
    Settings = Fitting
    draws = forward = from_settings = lambda *arguments: None

class WithoutSettings(SiameseMethod):
    pass

class NoMethod:
    Settings = Fitting
"""
DATASET = """
from care_bench.data.sources.digits import INFO
NUMBER = 5
"""
PROTOCOL_MODULE = """
from dataclasses import replace
from care_bench.evaluation.protocols import PROTOCOLS
OURS = PROTOCOLS["knn-v1"]
SECOND, FIRST = (replace(OURS, id=name) for name in ("mine-v2", "mine-v1"))
"""


@pytest.fixture(autouse=True)
def forget() -> None:
    """Make every test load its own components."""
    for registry in (METHOD_SETTINGS, METHODS, DATASETS, PROTOCOLS):
        registry.loaded.clear()
    for name in ("method_of_a_test", "data_of_a_test", "protocol_of_a_test"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ("OtherName", "expected name: Literal['given']"),
        ("AnyName", "expected name: Literal['given']"),
        ("WithoutSettings", "expected a subclass of care_bench.config.MethodSettings"),
    ],
)
def test_settings_that_do_not_fit_their_name_are_reported_as_an_error_of_the_package(
    offer: Offer, held: str, reason: str
) -> None:
    offer("mine", {plugins.METHODS: {"given": f"method_of_a_test:{held}"}}, {"method_of_a_test": METHOD})
    with pytest.raises(ValueError, match="of package mine 1") as caught:
        parse_method({"name": "given"})
    assert reason in str(caught.value)


@pytest.mark.parametrize("held", ["Unfinished", "NotSiamese", "NoMethod", "WithoutSettings", "OtherName"])
def test_a_class_that_cannot_train_is_refused_before_it_is_built(offer: Offer, held: str) -> None:
    offer("mine", {plugins.METHODS: {"given": f"method_of_a_test:{held}"}}, {"method_of_a_test": METHOD})
    with pytest.raises(CareBenchError, match=r"'given' of package mine 1\.0 .*; expected "):
        METHODS["given"]


@pytest.mark.parametrize(("name", "held"), [("mine", "INFO"), ("digits_too", "NUMBER")])
def test_a_data_set_has_the_name_of_its_entry_point(offer: Offer, name: str, held: str) -> None:
    offer("mine", {plugins.DATASETS: {name: f"data_of_a_test:{held}"}}, {"data_of_a_test": DATASET})
    with pytest.raises(CareBenchError, match=rf"'{name}' of package mine 1\.0 .*; expected a care_bench\.data\.Data"):
        DATASETS[name]


def test_protocols_of_packages_come_after_the_built_in_ones(offer: Offer) -> None:
    points = {"mine-v2": "protocol_of_a_test:SECOND", "mine-v1": "protocol_of_a_test:FIRST"}
    assert tuple(PROTOCOLS.values()) == OURS
    offer("mine", {plugins.EVALUATIONS: points}, {"protocol_of_a_test": PROTOCOL_MODULE})
    ids = [protocol.id for protocol in PROTOCOLS.values()]
    assert ids == [*(protocol.id for protocol in OURS), "mine-v1", "mine-v2"]


@pytest.mark.parametrize(
    ("name", "held", "reason"),
    [
        ("mine-v3", "FIRST", "mine-v1"),
        ("mine-v4", "replace", "expected a care_bench.evaluation"),
        ("knn-v1", "OURS", "has the name of one that comes with care_bench"),
    ],
)
def test_a_protocol_must_have_the_id_of_its_entry_point(offer: Offer, name: str, held: str, reason: str) -> None:
    offer("mine", {plugins.EVALUATIONS: {name: f"protocol_of_a_test:{held}"}}, {"protocol_of_a_test": PROTOCOL_MODULE})
    with pytest.raises(CareBenchError, match=rf"'{name}' of package mine 1\.0 ") as caught:
        tuple(PROTOCOLS.values())
    assert reason in str(caught.value)


def test_the_environment_of_a_record_names_what_extends_care_bench(offer: Offer) -> None:
    plain = environment()
    offer("mine", {plugins.DATASETS: {"a": "no_module:A", "b": "no_module:B"}}, version="0.3")
    offer("unrelated", {"console_scripts": {"d": "no_module:D"}})
    assert environment() == {**plain, "mine": "0.3"}


RULES = """
profile: mine
seeds: [0, 1, 2, 3, 4]
claims:
  - {id: a, text: It is so., source: here, not_decided: nobody has looked}
"""
CLAIMS_MODULE = """
from pathlib import Path
PATH = Path(__file__).with_name("rules.yaml")
MISSING = str(PATH.with_name("none.yaml"))
NUMBER = 5
"""


@pytest.fixture
def offered_rules(offer: Offer) -> Callable[[str, str], Path]:
    """A package that offers rules for a profile under the name of the entry point."""

    def make(name: str, held: str) -> Path:
        sys.modules.pop("rules_of_a_test", None)
        CLAIMS.loaded.clear()
        folder = offer("mine", {plugins.CLAIMS: {name: f"rules_of_a_test:{held}"}}, {"rules_of_a_test": CLAIMS_MODULE})
        (folder / "rules.yaml").write_text(RULES)
        return folder

    return make


def test_a_package_brings_rules_for_its_profile(offered_rules: Callable[[str, str], Path], tmp_path: Path) -> None:
    folder = offered_rules("mine", "PATH")
    assert rules_for("mine", [tmp_path]) == folder / "rules.yaml"
    assert rules_for("other", [tmp_path]) is None
    reference = tmp_path / "reference" / "claims.yaml"
    reference.parent.mkdir()
    reference.write_text(RULES.replace("mine", "other"))
    assert rules_for("mine", [tmp_path]) == folder / "rules.yaml"
    assert rules_for("other", [tmp_path]) == reference
    reference.write_text(RULES)
    assert rules_for("mine", [tmp_path]) == reference  # a results folder's own rules come first


@pytest.mark.parametrize(
    ("name", "held", "reason"),
    [
        ("another", "PATH", "has rules for profile 'mine'; expected those for its own name, 'another'"),
        ("mine", "NUMBER", "is no path; expected that of a YAML file"),
        ("mine", "MISSING", "none.yaml"),
    ],
)
def test_rules_that_cannot_be_used_are_reported_as_an_error_of_the_package(
    offered_rules: Callable[[str, str], Path], tmp_path: Path, name: str, held: str, reason: str
) -> None:
    offered_rules(name, held)
    with pytest.raises(CareBenchError, match=rf"'{name}' of package mine 1\.0 ") as caught:
        rules_for(name, [tmp_path])
    assert reason in str(caught.value)
