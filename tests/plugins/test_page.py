"""EXTENDING.md: its code is that of the example package, and its links, files and commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from care_bench import plugins
from care_bench.cli import app

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "care_bench" / "EXTENDING.md"
TEXT = PAGE.read_text()
EXAMPLE = Path(__file__).parent / "example_package"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
ENDINGS = {"python": "py", "toml": "toml", "yaml": "yaml"}


def test_every_block_of_code_is_in_a_file_of_the_example_package() -> None:
    shown = [(language, block) for language, block in BLOCKS if language != "sh"]
    assert len(shown) >= 6
    for language, block in shown:
        files = [path.read_text() for path in EXAMPLE.rglob(f"*.{ENDINGS[language]}")]
        assert any(f"\n{block}" in f"\n{text}" for text in files), block


def test_every_component_of_the_example_package_is_shown() -> None:
    code = "".join(block for _, block in BLOCKS)
    for path in EXAMPLE.glob("care_bench_example/[a-z]*.py"):
        defined = re.findall(r"^(?:class (\w+)\(|([A-Z]+) = \w+\($)", path.read_text(), re.MULTILINE)
        assert defined
        assert all(f"{''.join(name)}" in code for name in defined)
    assert all(f'"{group}"]' in code for group in plugins.GROUPS)


def test_commands_and_links_of_the_page_exist() -> None:
    commands = {command.callback.__name__ for command in app.registered_commands if command.callback}
    named = set(re.findall(r"care-bench (\w+)", TEXT))
    assert named == {"doctor", "evaluate", "pretrain"}
    assert named <= commands
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT):
        assert (PAGE.parent / target).exists(), target
    for name in re.findall(r"`(workflows/\S+)`", TEXT):
        assert (ROOT / name).exists(), name


def test_the_commands_of_the_page_are_complete_lines() -> None:
    (shell,) = (block for language, block in BLOCKS if language == "sh")
    assert [shlex.split(line, comments=True)[0] for line in shell.splitlines()] == ["uv", "care-bench"]
