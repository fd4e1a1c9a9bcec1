"""What snakemake calls of conda, for machines without it: an environment has exactly the pinned packages.

They and what they depend on are linked from the environment of this process, whose versions are those of the lock file.
So a package that a job imports and its environment does not name is missing in the job.
"""

from __future__ import annotations

import json
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

ACTIVATE = """\
export PATH="$1/bin:$PATH"
echo "$1" >> "{log}"
"""


def install(folder: Path, version: str = "24.7.1") -> Path:
    """Write the command into a folder and return the folder that has to be on the path."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "activate").write_text(ACTIVATE.format(log=folder / "activated"))
    (folder / "bin" / "conda").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" "{folder}" {version} "$@"\n'
    )
    (folder / "bin" / "conda").chmod(0o755)
    return folder / "bin"


def create(file: Path, prefix: Path) -> None:
    """Make an environment from a specification.

    Raises:
        SystemExit: a pinned package is not installed here.
    """
    dependencies: list[Any] = yaml.safe_load(file.read_text())["dependencies"]
    pins = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    venv.create(prefix, symlinks=True, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(prefix), "platbase": str(prefix)}))
    for distribution in _with_dependencies([Requirement(pin).name for pin in pins]):
        for top in {path.parts[0] for path in distribution.files or () if ".." not in path.parts}:
            source = Path(str(distribution.locate_file(top)))
            if source.suffix != ".pth" and top != "__pycache__" and not (site / top).exists():
                (site / top).symlink_to(source)


def _with_dependencies(names: list[str]) -> list[metadata.Distribution]:
    """Return the distributions of these names and all that they need."""
    found: dict[str, metadata.Distribution] = {}
    while names:
        name = names.pop().lower().replace("_", "-").replace(".", "-")
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise SystemExit(f"{name} is not installed here") from None
        needed = map(Requirement, found[name].requires or ())
        names += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return list(found.values())


def main(folder: str, version: str, *words: str) -> None:
    """Answer as conda does."""
    if words[0] == "info":
        print(json.dumps({"conda_prefix": folder, "platform": "linux-64"}))
    elif words[0] == "--version":
        print(f"conda {version}")
    elif words[0] == "clean":
        pass
    elif words[0] == "config":
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif words[:2] == ("env", "create"):
        create(Path(words[words.index("--file") + 1]), Path(words[words.index("--prefix") + 1]))
    else:
        raise SystemExit(f"conda {' '.join(words)}: not known here")


if __name__ == "__main__":
    main(*sys.argv[1:])
