"""Plants an error in a copy of the package, and runs the tests that should find it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.theory.conftest import Outcome, RunPytest, warm_pytest

ROOT = Path(__file__).parents[2]
SLOW_IMPORTS = (
    *("jinja2", "pandas", "pyarrow", "safetensors.torch", "scipy.special", "typer"),
    *("lightning_fabric.plugins.environments", "lightning_fabric.strategies.ddp", "timm.optim.lars"),
    *("sklearn.datasets", "sklearn.linear_model", "sklearn.pipeline", "sklearn.preprocessing", "torchvision.models"),
)
"""What the package imports, and no module of its own."""
OPTIONS = (
    *("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-o", f"pythonpath={ROOT}"),
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "copy_first", "-q", "-x", "--tb=line", "--assert=plain"),
    *("-m", "not mutation and not faults and not slurm and not long"),
)
COPY_FIRST = '''
"""Imports the copy before pytest puts the repository on the path."""

import os
import sys
from pathlib import Path

COPY = Path(__file__).parent
sys.path.insert(0, str(COPY))
os.environ["PYTHONPATH"] = str(COPY)

import care_bench

assert Path(care_bench.__file__).parent == COPY / "care_bench", care_bench.__file__
'''
Plant = Callable[["Mutant | None", "tuple[str, ...]"], Outcome]


@dataclass(frozen=True)
class Mutant:
    """An error in one file of the package.

    Attributes:
        name: what is wrong.
        file: the file, below `care_bench`.
        old: text that occurs once in it.
        new: what replaces it.
        tests: test files or folders, below `tests`, that must fail.
        survives: why no test can fail; empty for an error that tests must find.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    survives: str = ""


@pytest.fixture(scope="session")
def run_pytest() -> Iterator[RunPytest]:
    """A function that runs pytest in a folder."""
    with warm_pytest(modules=SLOW_IMPORTS) as run:
        yield run


@pytest.fixture
def plant(tmp_path: Path, run_pytest: RunPytest) -> Plant:
    """A function that plants an error in a copy of the package, or none, and runs test files until one fails."""

    def run(mutant: Mutant | None, tests: tuple[str, ...]) -> Outcome:
        package = tmp_path / "care_bench"
        skip = shutil.ignore_patterns("assets", "__pycache__")
        shutil.copytree(ROOT / "care_bench", package, ignore=skip)
        (package / "data" / "assets").symlink_to(ROOT / "care_bench" / "data" / "assets")
        (tmp_path / "copy_first.py").write_text(COPY_FIRST)
        if mutant is not None:
            replace_once(package / mutant.file, mutant)
        files = [str(ROOT / "tests" / name) for name in tests]
        return run_pytest(tmp_path, *OPTIONS, f"--basetemp={tmp_path / 'pytest'}", *files)

    return run


def replace_once(path: Path, mutant: Mutant) -> None:
    """Plant the error; an old text that is not there exactly once fails with a line that says so."""
    text = path.read_text()
    if (found := text.count(mutant.old)) != 1:
        pytest.fail(
            f"mutant {mutant.name!r}: {mutant.file} has its old text {found} times; expected it once", pytrace=False
        )
    path.write_text(text.replace(mutant.old, mutant.new))


def check(plant: Plant, mutant: Mutant) -> None:
    """Assert that the tests of a mutant fail, or that they pass where it has a reason to survive."""
    outcome = plant(mutant, mutant.tests)
    if mutant.survives:
        assert outcome.code == pytest.ExitCode.OK, f"it is found now; drop its justification\n{outcome.output}"
    else:
        assert outcome.code != pytest.ExitCode.OK, "it survives: no test has failed"
        assert outcome.code == pytest.ExitCode.TESTS_FAILED, outcome.output


def check_unchanged(plant: Plant, mutants: tuple[Mutant, ...]) -> None:
    """Assert that the tests of some mutants pass on an unchanged copy."""
    tests = tuple(sorted({name for mutant in mutants for name in mutant.tests}))
    outcome = plant(None, tests)
    assert outcome.code == pytest.ExitCode.OK, outcome.output
