"""What a Python file imports from beside it, as Snakemake has to know before anything is executed."""

from __future__ import annotations

from pathlib import Path

import pytest

from care_bench.config.imported import ImportedSettings
from care_bench.config.python_files import imported_beside

FILES = {
    "encoder.py": "import numpy, net\n\ndef build():\n    from layers.conv import Conv\n    return Conv()\n",
    "net.py": "try:\n    from heads import mlp as head\nexcept ImportError:\n    import encoder\n",
    "layers/__init__.py": "from .norm import Norm\n",
    "layers/norm.py": "from .deep import one\n",
    "layers/conv.py": "'\\d'\n",
    "layers/deep/__init__.py": "",
    "layers/deep/one.py": "from ... import net\nfrom ..other import *\n",
    "layers/other.py": "this is no Python",
    "heads/mlp.py": "import unknown\n",
    "heads/unused.py": "",
    "unused.py": "",
    "numpy/unused.py": "",
}
USED = sorted(set(FILES) - {"encoder.py", "heads/unused.py", "unused.py", "numpy/unused.py"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).write_text(content)
    return tmp_path / "code"


def test_what_is_imported_by_what_is_imported_is_found(folder: Path) -> None:
    assert imported_beside(folder / "encoder.py") == tuple(folder / name for name in USED)


def test_a_link_stands_for_the_file_that_it_leads_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(folder / "encoder.py")
    assert imported_beside(tmp_path / "link.py") == tuple(folder.resolve() / name for name in USED)


def test_paths_stay_relative(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    settings = ImportedSettings.parse({"encoder": "encoder.py:build", "weights": "a.pth"}, "here")
    assert [str(path) for path in settings.files] == ["a.pth", "encoder.py", *USED]


def test_a_missing_file_imports_nothing(tmp_path: Path) -> None:
    assert imported_beside(tmp_path / "missing.py") == ()
