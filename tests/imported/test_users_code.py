"""Errors of an encoder's own code, and misspelt names of encoders."""

from __future__ import annotations

from pathlib import Path

from tests.imported.test_refused import refused


def test_a_misspelt_library_is_named() -> None:
    assert "did you mean 'timm:'?" in refused(encoder="tim:resnet18")
    assert "did you mean 'torchvision:'?" in refused(encoder="torchvison:resnet18")


def test_the_line_of_a_file_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("import json\n\n\ndef build():\n    json.loads('[')\n")
    assert "JSONDecodeError: Expecting value: line 1 column 2 (char 1) at fails.py:5" in refused(
        encoder=f"{tmp_path / 'fails.py'}:build"
    )
