"""Errors of an encoder's own code, and misspelt names of encoders."""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from care_bench import errors
from care_bench.config.imported import ImportedSettings
from care_bench.imported.architectures import Architecture, build
from tests.imported.foreign import refused


def test_a_misspelt_library_is_named() -> None:
    assert "did you mean 'timm:'?" in refused(encoder="tim:resnet18")
    assert "did you mean 'torchvision:'?" in refused(encoder="torchvison:resnet18")


def test_the_line_of_a_file_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("import json\n\n\ndef build():\n    json.loads('[')\n")
    assert "JSONDecodeError: Expecting value: line 1 column 2 (char 1) at fails.py:5" in refused(
        encoder=f"{tmp_path / 'fails.py'}:build"
    )


NET = """
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(2, {width})

    def forward(self, rows):
        from layers.scale import scaled
        return scaled(super().forward(rows))
"""


def folder_of(path: Path, width: int, encoder: str = "from net import Net\n\ndef build():\n    return Net()\n") -> Path:
    """Code in three files, of which `layers` is a package without __init__.py."""
    (path / "layers").mkdir(parents=True)
    (path / "layers" / "scale.py").write_text(f"def scaled(rows):\n    return 0 * rows + {width}\n")
    (path / "net.py").write_text(f"import layers.scale\n{NET.format(width=width)}")
    (path / "encoder.py").write_text(encoder)
    return path


def built(encoder: str) -> Architecture:
    return build(ImportedSettings.parse({"encoder": encoder}, "here"), "encoder x")


def passed(module: nn.Module) -> list[float]:
    rows: torch.Tensor = module(torch.ones(1, 2))
    return rows[0].tolist()


def test_every_encoder_is_made_from_what_lies_beside_its_own_file(tmp_path: Path) -> None:
    ours = sys.modules["care_bench.errors"]
    for width in (3, 5, 3):
        path = tmp_path / str(width)
        if not path.exists():
            folder_of(path, width)
        module = built(f"{path / 'encoder.py'}:build").module
        assert passed(module) == [width] * width  # the import in its forward pass finds its own files as well
    assert sys.modules["care_bench.errors"] is ours is errors
    assert sys.modules["torch.nn"] is nn


def test_a_module_of_the_same_name_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = folder_of(tmp_path / "first", 3), folder_of(tmp_path / "second", 5)
    monkeypatch.syspath_prepend(first)
    assert passed(built("net:Net").module) == [3] * 3
    assert passed(built(f"{second / 'encoder.py'}:build").module) == [5] * 5
    assert passed(built("net:Net").module) == [3] * 3


def test_other_modules_stay_wherever_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder_of(tmp_path, 3)
    (path / "elsewhere.py").write_text("")
    monkeypatch.syspath_prepend(path)
    ours = importlib.import_module("elsewhere")
    for _ in range(2):
        built(f"{path / 'encoder.py'}:build")
        assert sys.modules["elsewhere"] is ours
    monkeypatch.delitem(sys.modules, "elsewhere")


def test_a_folder_whose_name_begins_as_that_of_installed_code_is_the_user_s() -> None:
    package = Path(errors.__file__).parent
    assert errors.is_installed(str(package / "files.py"))
    assert errors.is_installed(nn.__file__)
    assert not errors.is_installed(f"{package}_of_mine/files.py")


def sha256(path: Path) -> str:
    return f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_every_file_below_the_folder_that_was_imported_is_hashed(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "code", 3)
    (path / "unused.py").write_text("")
    names = ("encoder.py", "net.py", "layers/scale.py")
    before = {name: sha256(path / name) for name in names}
    assert built(f"{path / 'encoder.py'}:build").made_by == before
    (path / "layers" / "scale.py").write_text("def scaled(rows):\n    return rows\n")
    after = built(f"{path / 'encoder.py'}:build").made_by
    assert after == before | {"layers/scale.py": sha256(path / "layers" / "scale.py")} != before
    alone = folder_of(tmp_path / "alone", 3, "from torch import nn\n\ndef build():\n    return nn.Flatten()\n")
    assert built(f"{alone / 'encoder.py'}:build").made_by == {"encoder.py": sha256(alone / "encoder.py")}


def test_a_package_that_is_not_installed_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder_of(tmp_path, 3))
    assert built("net:Net").made_by == {"net": sha256(tmp_path / "net.py")}
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").write_text("")
    (tmp_path / "zoo" / "flat.py").write_text("from torch.nn import Flatten\n")
    before = built("zoo.flat:Flatten").made_by
    (tmp_path / "zoo" / "other.py").write_text("")
    assert before.keys() == {"zoo"}
    assert built("zoo.flat:Flatten").made_by != before
