"""Which code and packages made a result, from package metadata and git, without importing the packages."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet

import care_bench
from care_bench import plugins
from care_bench.errors import CareBenchError

SUPPORTED: dict[str, str] = {
    "gemmi": ">=0.6.5",
    "jinja2": ">=3.1",
    "lightning-fabric": ">=2.5",
    "numpy": ">=2.0,<2.4",
    "packaging": ">=23",
    "pandas": ">=2.2",
    "pillow": ">=10",
    "pyarrow": ">=17",
    "pydantic": ">=2.8",
    "pyyaml": ">=6",
    "rich": ">=13",
    "safetensors": ">=0.5",
    "scikit-learn": ">=1.5",
    "scipy": ">=1.13",
    "threadpoolctl": ">=3.5",
    "timm": ">=1.0.12",
    "torch": ">=2.11",
    "torchvision": ">=0.26",
    "typer": ">=0.15",
}
"""Package -> versions care_bench works with; the dependencies of pyproject.toml, which a test compares."""

TRAINING = (
    *("lightning-fabric", "numpy", "pydantic", "pyyaml", "safetensors"),
    *("scikit-learn", "scipy", "threadpoolctl", "timm", "torch", "torchvision", "typer"),
)
"""Packages that pretraining and evaluation need; the conda environment of these jobs has no others."""

RECORDED = ("numpy", "torch", "torchvision", "scipy", "scikit-learn")
"""Packages whose version can change a number; every record has them."""


def code_version() -> str:
    """Version of care_bench: `0.1.0`, and in a git checkout of its own `0.1.0+g1a2b3c4d5e6f`, with `.dirty` if edited.

    Dirty means that a file below care_bench/ is changed or not committed. The first call in a process decides for all,
    since the process has loaded its code by then.
    """
    return _code_version(Path(care_bench.__file__).resolve().parent.parent)


def environment() -> dict[str, str]:
    """Versions that can change a number: Python, the packages of ``RECORDED``, the platform.

    Packages that offer components come first, whether a run uses them or not.
    """
    ours = {"python": platform.python_version(), **installed(RECORDED), "platform": platform.platform()}
    return {extension.package: extension.version for extension in plugins.extensions()} | ours


def installed(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages, in their order; those that are missing are called so."""
    return {name: _installed(name) or "not installed" for name in names}


NVIDIA, WSL, AMD = (Path(name) for name in ("/proc/driver/nvidia/gpus", "/usr/lib/wsl/lib/libcuda.so.1", "/dev/kfd"))
"""A folder with an entry per GPU, and two files that are there if there is one."""


def known_gpus() -> int:
    """Return how many GPUs for torch the system knows, without asking torch; of WSL2 and ROCm at most one."""
    if NVIDIA.is_dir():
        return len(list(NVIDIA.iterdir()))
    return int(WSL.exists() or (AMD.exists() and "rocm" in (_installed("torch") or "")))


def check_versions(supported: Mapping[str, str] = SUPPORTED) -> None:
    """Compare the installed packages with the versions that are supported.

    Args:
        supported: package -> version specifier.

    Raises:
        CareBenchError: one line naming every package that is absent or out of range.
    """
    problems = []
    for name, expected in supported.items():
        found = _installed(name)
        if found is None:
            problems.append(f"{name} is not installed (expected {expected})")
        elif not SpecifierSet(expected).contains(found, prereleases=True):
            problems.append(f"{name} is {found} (expected {expected})")
    if problems:
        raise CareBenchError(f"unsupported packages: {'; '.join(problems)}")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def _code_version(root: Path) -> str:
    version = care_bench.__version__
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if not commit or not _own_checkout(root):
        return version
    changes = _git(root, "status", "--porcelain", "--", "care_bench")
    return f"{version}+g{commit}{'.dirty' if changes else ''}"


def _own_checkout(root: Path) -> bool:
    """Tell care_bench's own repository from one that merely contains an installed or copied care_bench."""
    top = _git(root, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != root or _git(root, "ls-files", "care_bench/__init__.py") == "":
        return False
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text()).get("project", {})
    except (OSError, ValueError):
        return False
    return bool(project.get("name") == "care-bench")


def _git(root: Path, *arguments: str) -> str | None:
    """Run git in ``root``, untouched by a GIT_DIR of the caller; None where git is absent or fails."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, cwd=root, env=clean, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
