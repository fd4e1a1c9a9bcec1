"""The folder of a run: the files of a finished run, and the lock."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from care_bench.config import RunConfig
from care_bench.config.presets import load_preset
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes, write_bytes, write_json
from care_bench.runs.folder import RunFolder

WEIGHTS, SNAPSHOT = b"weights after the last step", b"weights after an epoch"


def config_of(seed: int) -> RunConfig:
    identity = {"profile": "tiny", "dataset": "digits", "variant": "tiny", "seed": seed}
    return RunConfig.parse({**identity, "method": {"name": "simclr"}, **load_preset("digits")}, "tiny run")


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return config_of(0)


@pytest.fixture
def finished(config: RunConfig, tmp_path: Path) -> RunFolder:
    """A finished run with a snapshot, written by hand."""
    folder = RunFolder(tmp_path / "run")
    write_json(folder.config, config.model_dump(mode="json"))
    write_bytes(folder.encoder, WEIGHTS)
    write_bytes(folder.snapshot(3), SNAPSHOT)
    hashes = {"weights_sha256": sha256_bytes(WEIGHTS), "snapshots": {"3": sha256_bytes(SNAPSHOT)}}
    write_json(folder.summary, {"config_sha256": config.sha256(), "data_sha256": "d", **hashes})
    return folder


def test_a_complete_run_passes_the_check(finished: RunFolder, config: RunConfig) -> None:
    finished.check_unclaimed(config)
    summary = finished.check(config)
    assert summary == finished.read_summary()
    assert finished.snapshots(summary) == {3: finished.snapshot(3)}


def test_a_run_of_another_config_is_refused(finished: RunFolder, config: RunConfig) -> None:
    other = config_of(1)
    expected = f"holds a run of config {config.sha256()[:12]}, expected config {other.sha256()[:12]}"
    with pytest.raises(CareBenchError, match=expected):
        finished.check_unclaimed(other)
    with pytest.raises(CareBenchError, match=expected):
        finished.check(other)


def test_an_empty_folder_belongs_to_no_run_and_holds_no_finished_one(config: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.check_unclaimed(config)
    assert folder.read_summary() is None
    with pytest.raises(CareBenchError, match=r"holds no finished run: pretrain\.json is missing; pretrain it first"):
        folder.check(config)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"steps": 7}'])
def test_a_file_that_is_no_summary_is_named(content: str, finished: RunFolder) -> None:
    finished.summary.write_text(content)
    with pytest.raises(CareBenchError, match=str(finished.summary)) as caught:
        finished.read_summary()
    assert "\n" not in str(caught.value)


def check_all(folder: RunFolder, config: RunConfig) -> dict[int, Path]:
    summary: dict[str, Any] = folder.check(config)
    return folder.snapshots(summary)


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing"])
@pytest.mark.parametrize("which", ["encoder", "snapshot"])
def test_weights_that_do_not_match_the_summary_are_named(
    which: str, damage: str, finished: RunFolder, config: RunConfig
) -> None:
    path = finished.encoder if which == "encoder" else finished.snapshot(3)
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:-1] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CareBenchError, match=rf"{path}.*pretrain the run again$") as caught:
        check_all(finished, config)
    assert "\n" not in str(caught.value)


def test_only_one_process_may_work_in_a_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.lock(), pytest.raises(CareBenchError, match="another process is working on"), folder.lock():
        pass
    with folder.lock():
        assert folder.path.is_dir()


def files(folder: RunFolder) -> dict[str, bytes]:
    """Every file below the folder with its content."""
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def test_another_configuration_sets_a_finished_run_aside_and_its_own_brings_it_back(
    finished: RunFolder, config: RunConfig
) -> None:
    before, other = files(finished), config_of(1)
    finished.switch_to(config)
    assert files(finished) == before
    finished.switch_to(other)
    aside = f"config-{config.sha256()[:12]}"
    assert files(finished) == {f"{aside}/{name}": content for name, content in before.items()}
    write_json(finished.config, other.model_dump(mode="json"))
    write_bytes(finished.state(other.sha256()) / "checkpoint.pt", b"the other run is not finished")
    finished.switch_to(config)
    finished.check(config)
    assert {name: content for name, content in files(finished).items() if name in before} == before
    finished.switch_to(other)
    assert finished.config.exists()
    assert finished.state(other.sha256()).joinpath("checkpoint.pt").exists()
    assert finished.read_summary() is None


@pytest.mark.parametrize("there", [True, False], ids=["set aside", "brought back"])
def test_a_switch_that_is_interrupted_at_any_file_loses_nothing(
    there: bool, finished: RunFolder, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, other = files(finished), config_of(1)
    if not there:
        finished.switch_to(other)
    moved, replace = 0, Path.replace

    def killed(path: Path, target: Path) -> Path:
        nonlocal moved
        if moved == 1:
            raise KeyboardInterrupt
        moved += 1
        return replace(path, target)

    for _ in before:
        moved = 0
        monkeypatch.setattr(Path, "replace", killed)
        with contextlib.suppress(KeyboardInterrupt):
            finished.switch_to(other if there else config)
        monkeypatch.undo()
        kept = {name.removeprefix(f"config-{config.sha256()[:12]}/"): text for name, text in files(finished).items()}
        assert kept == before
        if finished.read_summary() is not None:
            finished.check(config)  # the summary never speaks for files that are elsewhere
    finished.switch_to(config)
    assert files(finished) == before
