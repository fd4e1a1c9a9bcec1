"""Imports go one way: a part of the package imports from the parts to its left, never from those to its right."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import care_bench

PACKAGE = Path(care_bench.__file__).parent
LAYERS = (
    (
        "names",
        "errors",
        "collector",
        "lock_holders",
        "unwritable",
        "files",
        "empty_folders",
        "untrusted",
        "plugins",
        "progress",
        "terminal",
        "torchrun",
    ),
    ("uncompiled", "optimizers"),
    ("augmentations", "losses"),
    ("metrics",),
    ("data",),
    ("config",),
    ("models",),
    ("methods",),
    ("artifacts",),
    ("runs",),
    ("training",),
    ("imported",),
    ("evaluation",),
    ("evidence",),
    ("report",),
    ("jobs", "measure", "rerun", "follow"),
    ("cli", "doctor", "__main__"),
)
"""Modules and packages of care_bench, from left to right."""
FREE = (LAYERS[0], LAYERS[-1])
"""Within these layers modules may import each other."""
APART = {("evaluation", "training")}
"""Pairs of which the first must not import the second, although the second is to its left."""
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def part(module: str) -> str:
    """Return the part of the package that a module belongs to: "losses" for "care_bench.losses.wahba"."""
    return module.removeprefix("care_bench").strip(".").partition(".")[0]


def imported(path: Path, module: str) -> Iterator[tuple[int, str]]:
    """Yield line and module of every import of the package itself, also within functions and under TYPE_CHECKING."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(filter(None, (above, node.module)))
            # "from care_bench import files" imports the module files; __version__ is the package's own.
            found = [f"{source}.{alias.name}" for alias in node.names] if source == "care_bench" else [source]
        else:
            continue
        yield from ((node.lineno, name) for name in found if name.partition(".")[0] == "care_bench")


def modules() -> Iterator[tuple[Path, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def allowed(importer: str, source: str) -> bool:
    """Say whether one part of the package may import another; "" and "__version__" are the package itself."""
    if source in ("", "__version__", importer):
        return True
    if (importer, source) in APART or source not in RANK:
        return False
    return RANK[source] < RANK[importer] or any({importer, source} <= set(layer) for layer in FREE)


def test_every_module_has_a_layer() -> None:
    assert {part(module) for _, module in modules()} - {""} == set(RANK)


def test_imports_go_from_left_to_right_only() -> None:
    violations = [
        f"{path.relative_to(PACKAGE.parent)}:{line} imports {source}"
        for path, module in modules()
        if part(module) in RANK
        for line, source in imported(path, module)
        if not allowed(part(module), part(source))
    ]
    assert not violations, "\n".join(["imports against the order of the layers:", *violations])


def test_imports_are_found_in_functions_and_under_type_checking(tmp_path: Path) -> None:
    path = tmp_path / "here.py"
    path.write_text(
        "import care_bench.files\nfrom care_bench import __version__, report\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from care_bench.cli import main\n"
        "def late():\n    from ..config import base\n    from . import there\n"
    )
    found = [name for _, name in imported(path, "care_bench.losses.here")]
    expected = ["files", "__version__", "report", "cli", "config", "losses"]
    assert found == [f"care_bench.{name}" for name in expected]
    assert allowed("losses", "files")
    assert not allowed("losses", "report")
    assert not allowed("evaluation", "training")
