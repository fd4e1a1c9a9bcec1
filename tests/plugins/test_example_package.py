"""The example package: its own tests pass, its loss agrees with lightly, and its keys are checked."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightly.loss.vicreg_loss import covariance_loss, invariance_loss, variance_loss

from care_bench import plugins
from care_bench.config.methods import METHOD_SETTINGS, parse_method
from tests.forks import run_forked

EXAMPLE = Path(__file__).parent / "example_package"


@pytest.fixture
def example(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that imports a module of the package, which is installed in this process for one test."""
    monkeypatch.syspath_prepend(installed)
    plugins._offered.cache_clear()
    yield lambda name: importlib.import_module(f"care_bench_example.{name}")
    monkeypatch.undo()
    plugins._offered.cache_clear()
    METHOD_SETTINGS.loaded.clear()


@pytest.mark.long
def test_its_own_tests_pass_where_it_is_installed(installed: Path) -> None:
    source = installed.parent / "source"  # a separate folder, where the settings of this repository do not apply
    options = ("-q", "-p", "no:cacheprovider", "--disable-plugin-autoload")
    ended = run_forked("pytest", *options, "tests", cwd=source, path=(installed,))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "5 passed" in ended.stdout


def test_the_example_is_short() -> None:
    files = [*EXAMPLE.glob("care_bench_example/*.py"), EXAMPLE / "pyproject.toml"]
    assert sum(len(path.read_text().splitlines()) for path in files) < 280


def test_the_terms_of_vicreg_agree_with_lightly(example: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    # Standard deviations are above 1 for some dimensions and below for others, so both sides of the hinge are tested.
    z1, z2 = torch.randn(2, 32, 6, generator=generator) * torch.tensor([0.2, 0.5, 0.9, 1.1, 2.0, 3.0])
    terms = example("vicreg").vicreg_terms(z1, z2)
    expected = {"invariance": invariance_loss, "variance": variance_loss, "covariance": covariance_loss}
    torch.testing.assert_close(terms["invariance"], expected["invariance"](z1, z2))
    for name in ("variance", "covariance"):
        torch.testing.assert_close(terms[name], expected[name](z1) + expected[name](z2))


def test_covariance_is_computed_in_full_precision(example: Any) -> None:
    z1, z2 = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(1))
    plain = example("vicreg").vicreg_terms(z1, z2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = example("vicreg").vicreg_terms(z1, z2)
    torch.testing.assert_close(mixed, plain)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"covariance_wieght": 2}, "unknown key 'covariance_wieght': did you mean 'covariance_weight'?"),
        ({"variance_weight": -1}, "variance_weight = -1: Input should be greater than or equal to 0"),
    ],
)
def test_keys_of_its_method_are_checked(keys: dict[str, float], message: str, example: Any) -> None:
    with pytest.raises(ValueError, match="settings of 'vicreg'") as caught:
        parse_method({"name": "vicreg", **keys})
    assert message in str(caught.value)
