"""The option --verify of the commands that read data: a byte that was lost without a trace is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from care_bench.data import load, prepare
from tests.commands import run_care_bench
from tests.tiny_profile import PROFILE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a profile, a finished run, and an encoder."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(PROFILE))
    (folder / "mine.py").write_text(
        "import torch\n\n\ndef encoder():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(4))\n"
    )
    prepare("proteins", folder / "data")
    ended = run_care_bench(
        *("pretrain", "tiny.yaml", "--run", "proteins/simclr/seed0", "--data", "data", "--out", "run"), cwd=folder
    )
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("pretrain", "tiny.yaml", "--run", "proteins/simclr/seed0", "--out", "new"),
        ("evaluate", "run"),
        ("illustrate", "run", "--figure", "trajectories"),
        ("measure", "--encoder", "run:run", "--dataset", "proteins", "--out", "mine"),
        ("doctor",),
    ],
    ids=lambda words: words[0],
)
def test_a_byte_that_was_lost_without_a_trace_is_named(
    command: tuple[str, ...], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("proteins", tmp_path)
    monkeypatch.setattr("care_bench.data.verified.versions", lambda folder, names: dict.fromkeys(names, "1"))
    load("proteins", tmp_path)  # and remembers it
    lost = tmp_path / "proteins" / "test_inputs.npy"
    content = lost.read_bytes()
    lost.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    ended = run_care_bench(*command, "--data", str(tmp_path), "--verify", cwd=folder)
    # rich folds what doctor prints
    assert "is changed" in ended.stderr or "damaged" in "".join(ended.stdout.split("│"))
    assert ended.returncode == (0 if command[0] == "doctor" else 2)
    ended = run_care_bench("prepare", "proteins", "--data", str(tmp_path))  # the stamp is gone
    assert ended.returncode == 0, ended.stderr
    assert lost.read_bytes() == content
