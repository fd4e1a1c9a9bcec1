"""Packages that extend care_bench: the installed example, and small ones written by a test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from care_bench import plugins
from tests.forks import Ended

ROOT = Path(__file__).parents[2]
EXAMPLE = Path(__file__).parent / "example_package"
collect_ignore = [EXAMPLE.name]  # its tests run in test_example_package.py, where it is installed

Run = Callable[..., Ended]
Offer = Callable[..., Path]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the path that holds the unpacked wheel of the example, as an installer leaves it."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    ended = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder / "site")
    return folder / "site"


@pytest.fixture(scope="session")
def run() -> Run:
    """A function that runs ``python -m ...`` in a fresh process and a folder, with extra folders first on the path."""

    def call(*arguments: object, cwd: Path, path: tuple[Path, ...] = ()) -> Ended:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, path), os.environ["PYTHONPATH"]])}
        command = [sys.executable, "-m", *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return call


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Offer]:
    """A function that writes a package with entry points, puts it on the path, and returns its folder."""

    def add(
        package: str,
        points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str] | None = None,
        version: str = "1.0",
    ) -> Path:
        folder = tmp_path / package
        information = folder / f"{package.replace('-', '_')}-{version}.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        lines = [
            line
            for group, entries in points.items()
            for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
        ]
        (information / "entry_points.txt").write_text("\n".join(lines))
        for name, code in (modules or {}).items():
            (folder / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(folder)
        plugins._offered.cache_clear()
        return folder

    yield add
    monkeypatch.undo()
    plugins._offered.cache_clear()
