from __future__ import annotations

import platform
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import care_bench
from care_bench.artifacts import SUPPORTED, check_versions, code_version, environment
from care_bench.artifacts.environment import _code_version, known_gpus
from care_bench.errors import CareBenchError

ROOT = Path(__file__).parents[2]


def test_the_supported_versions_are_those_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {line.name: line.specifier for line in map(Requirement, project["dependencies"])}
    assert {name: SpecifierSet(text) for name, text in SUPPORTED.items()} == required


def test_the_installed_versions_are_supported() -> None:
    check_versions()


def test_every_unsupported_package_is_named_in_one_line() -> None:
    found = metadata.version("numpy")
    with pytest.raises(CareBenchError) as caught:
        check_versions({"numpy": "<1", "scipy": ">0", "no-such-package": ">=2"})
    assert str(caught.value) == (
        f"unsupported packages: numpy is {found} (expected <1); no-such-package is not installed (expected >=2)"
    )


def test_environment_names_versions_and_platform() -> None:
    found = environment()
    assert list(found) == ["python", "numpy", "torch", "torchvision", "scipy", "scikit-learn", "platform"]
    assert found["python"] == platform.python_version()
    assert found["scikit-learn"] == metadata.version("scikit-learn")
    assert found["platform"] == platform.platform()


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from care_bench.artifacts import *; environment(); check_versions(); code_version(); "
        "print(*{'torch', 'torchvision', 'scipy', 'sklearn', 'numpy', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "\n"


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that looks like care_bench's own, with one commit."""
    monkeypatch.delenv("GIT_DIR", raising=False)
    monkeypatch.delenv("GIT_INDEX_FILE", raising=False)
    (tmp_path / "care_bench").mkdir()
    (tmp_path / "care_bench" / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "care-bench"\n')
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "first")
    _code_version.cache_clear()
    return tmp_path.resolve()


def test_a_clean_checkout_names_its_commit(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "HEAD")
    (checkout / "notes.txt").write_text("not code")
    assert _code_version(checkout) == f"{care_bench.__version__}+g{commit[:12]}"


@pytest.mark.parametrize("name", ["__init__.py", "new.py"])
def test_an_edited_or_uncommitted_module_is_dirty(checkout: Path, name: str) -> None:
    (checkout / "care_bench" / name).write_text("x = 1\n")
    assert _code_version(checkout).endswith(".dirty")


def test_the_git_dir_of_the_caller_is_ignored(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert "+g" in _code_version(checkout)


def test_the_repository_of_another_project_is_not_a_checkout(checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert _code_version(checkout) == care_bench.__version__


def test_an_installation_inside_a_repository_is_not_a_checkout(checkout: Path) -> None:
    inner = checkout / "site-packages"
    (inner / "care_bench").mkdir(parents=True)
    (inner / "care_bench" / "__init__.py").write_text("")
    assert _code_version(inner) == care_bench.__version__


def test_a_project_within_a_larger_repository_is_not_its_own(checkout: Path) -> None:
    inner = checkout / "inner"
    (inner / "care_bench").mkdir(parents=True)
    for name in ("care_bench/__init__.py", "pyproject.toml"):
        (inner / name).write_text((checkout / name).read_text())
    _git(checkout, "add", ".")
    assert _code_version(inner) == care_bench.__version__


def test_a_copy_that_is_not_tracked_is_not_a_checkout(checkout: Path) -> None:
    _git(checkout, "rm", "-q", "--cached", "care_bench/__init__.py")
    assert _code_version(checkout) == care_bench.__version__


def test_without_git_the_version_is_that_of_the_package(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert _code_version(checkout) == care_bench.__version__


def test_the_code_version_starts_with_the_package_version() -> None:
    assert re.fullmatch(re.escape(care_bench.__version__) + r"(\+g[0-9a-f]{12}(\.dirty)?)?", code_version())


@pytest.mark.parametrize(
    ("there", "torch", "expected"),
    [
        ((), "2.15.0", 0),
        (("nvidia/0000:01:00.0", "nvidia/0000:02:00.0"), "2.15.0", 2),
        (("libcuda.so.1",), "2.15.0", 1),
        (("kfd",), "2.15.0+rocm7.1", 1),
        (("kfd",), "2.15.0", 0),  # a torch that cannot use it
    ],
)
def test_the_gpus_that_torch_could_use_are_known_without_it(
    there: tuple[str, ...], torch: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the jobs of a workflow would all use the one GPU at once."""
    for name in there:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    module = sys.modules[known_gpus.__module__]  # care_bench.artifacts.environment is a function as well
    for name, place in (("NVIDIA", "nvidia"), ("WSL", "libcuda.so.1"), ("AMD", "kfd")):
        monkeypatch.setattr(module, name, tmp_path / place)
    monkeypatch.setattr(module, "_installed", {"torch": torch}.get)
    assert known_gpus() == expected
