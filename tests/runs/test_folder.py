"""The folder of a run: the files of a finished run, and the lock."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from care_bench.config import RunConfig
from care_bench.config.presets import load_preset
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes, write_bytes, write_json
from care_bench.runs.folder import RunFolder

WEIGHTS, SNAPSHOT, LOG = b"weights after the last step", b"weights after an epoch", b"loss terms of every step"


def config_of(seed: int) -> RunConfig:
    identity = {"profile": "tiny", "dataset": "digits", "variant": "tiny", "seed": seed}
    return RunConfig.parse({**identity, "method": {"name": "simclr"}, **load_preset("digits")}, "tiny run")


def summary_of(config: RunConfig) -> dict[str, Any]:
    hashes = {"weights_sha256": sha256_bytes(WEIGHTS), "log_sha256": sha256_bytes(LOG), "data_sha256": "d" * 64}
    speed = {"steps": 7, "images_per_second": 1.5, "seconds": 2.0, "resumed": 0}
    named = {"run": config.id, "device": "cpu: x", "torch": "2", "tf32": False, "config_sha256": config.sha256()}
    return {**named, **speed, **hashes, "snapshots": {"3": sha256_bytes(SNAPSHOT)}}


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
    write_bytes(folder.log, LOG)
    write_json(folder.summary, summary_of(config))
    return folder


def test_a_complete_run_passes_the_check(finished: RunFolder, config: RunConfig) -> None:
    finished.claim(config)
    summary = finished.check(config)
    assert summary == finished.read_summary()
    assert finished.snapshots(summary) == {3: finished.snapshot(3)}


def test_a_run_of_another_config_is_refused(finished: RunFolder, config: RunConfig) -> None:
    other = config_of(1)
    expected = f"holds a run of config {config.sha256()[:12]}, expected config {other.sha256()[:12]}"
    with pytest.raises(CareBenchError, match=expected):
        finished.claim(other)
    with pytest.raises(CareBenchError, match=expected):
        finished.check(other)


def test_an_empty_folder_belongs_to_no_run_and_holds_no_finished_one(config: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(config)
    assert folder.read_summary() is None
    with pytest.raises(CareBenchError, match=r"holds no finished run: pretrain\.json is missing; pretrain it first"):
        folder.check(config)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"steps": 7}', "[" * 100_000])
def test_a_file_that_is_no_summary_is_named(content: str, finished: RunFolder) -> None:
    finished.summary.write_text(content)
    with pytest.raises(CareBenchError, match=str(finished.summary)) as caught:
        finished.read_summary()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, -1, "x", [], {"a": 1}, True, 1.5], ids=repr)
@pytest.mark.parametrize("key", ["run", "steps", "seconds", "resumed", "weights_sha256", "log_sha256", "snapshots"])
def test_a_wrong_type_in_the_summary_is_named(key: str, value: object, finished: RunFolder, config: RunConfig) -> None:
    if isinstance(value, {"run": str, "seconds": float}.get(key, type(None))):
        value = None  # this type is right
    write_json(finished.summary, {**summary_of(config), key: value})
    with pytest.raises(CareBenchError, match=rf"^{finished.summary}: {key}") as caught:
        finished.check(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing", "named pipe"])
@pytest.mark.parametrize("which", ["encoder", "log", "snapshot"])
def test_files_that_do_not_match_the_summary_are_named(
    which: str, damage: str, finished: RunFolder, config: RunConfig
) -> None:
    path = {"encoder": finished.encoder, "log": finished.log, "snapshot": finished.snapshot(3)}[which]
    content = path.read_bytes()
    path.unlink()
    if damage == "named pipe":
        os.mkfifo(path)
    elif damage != "missing":
        path.write_bytes(content[:-1] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CareBenchError, match=rf"{path}.*pretrain the run again$") as caught:
        finished.check(config)
    assert "\n" not in str(caught.value)


def test_a_configuration_file_that_is_missing_is_written_again_and_a_changed_one_is_named(
    finished: RunFolder, config: RunConfig
) -> None:
    content = finished.config.read_bytes()
    for changed in (config_of(1).model_dump_json(), "{", "a: [1, 2", "\xff"):
        finished.config.write_text(changed)
        for use in (finished.claim, finished.check):
            with pytest.raises(CareBenchError, match=f"{finished.config}.*delete .*writes it again") as caught:
                use(config)
            assert "\n" not in str(caught.value)
    finished.config.unlink()
    with pytest.raises(CareBenchError, match="is missing or changed"):
        finished.check(config)
    finished.claim(config)
    finished.check(config)
    assert finished.config.read_bytes() == content


def test_what_killed_processes_left_is_deleted_and_unfinished_runs_are_kept(
    finished: RunFolder, config: RunConfig
) -> None:
    before, other = files(finished), config_of(1)
    for path in (finished.encoder, finished.snapshot(3), finished.state(config.sha256()) / "checkpoint.pt"):
        write_bytes(path.with_name(f".{path.name}.part"), b"half")
    write_bytes(finished.state(config.sha256()) / "checkpoint.pt", b"of the finished run")
    write_bytes(finished.state(other.sha256()) / "checkpoint.pt", b"of the other run")
    finished.claim(config)
    kept = finished.state(other.sha256()) / "checkpoint.pt"
    assert files(finished) == {**before, str(kept.relative_to(finished.path)): b"of the other run"}


def test_a_run_that_was_set_aside_half_way_is_found_by_the_command_that_made_it(
    finished: RunFolder, config: RunConfig
) -> None:
    before = files(finished)
    aside = finished.path / f"config-{config.sha256()[:12]}"
    aside.mkdir()
    for path in (finished.summary, finished.encoder):
        path.replace(aside / path.name)
    write_bytes(aside / ".x.part", b"half")
    finished.claim(config)
    assert files(finished) == before
    finished.check(config)


def test_only_one_process_may_work_in_a_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with (
        folder.lock(),
        pytest.raises(CareBenchError, match="; expected one at a time"),
        folder.lock(),
    ):
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


def on_other_data(folder: RunFolder, config: RunConfig) -> dict[str, bytes]:
    """Finish a run of the same configuration on data "e..." in a folder, and return its files."""
    write_json(folder.config, config.model_dump(mode="json"))
    for path, content in ((folder.encoder, b"other"), (folder.snapshot(3), SNAPSHOT), (folder.log, LOG)):
        write_bytes(path, content)
    write_json(
        folder.summary, {**summary_of(config), "weights_sha256": sha256_bytes(b"other"), "data_sha256": "e" * 64}
    )
    return {name: content for name, content in files(folder).items() if not name.startswith("config-")}


def test_a_run_on_other_data_is_set_aside_and_brought_back(finished: RunFolder, config: RunConfig) -> None:
    before = files(finished)
    for data in (None, "d" * 64):
        finished.switch_to(config, data_sha256=data)
        assert files(finished) == before
    finished.switch_to(config, data_sha256="e" * 64)
    aside = f"config-{config.sha256()[:12]}-data-{'d' * 12}"
    assert files(finished) == {f"{aside}/{name}": content for name, content in before.items()}
    other = on_other_data(finished, config)
    finished.switch_to(config, data_sha256="d" * 64)
    assert {name: content for name, content in files(finished).items() if name in before} == before
    finished.switch_to(config_of(1), data_sha256="e" * 64)
    finished.switch_to(config, data_sha256="e" * 64)
    assert {name: content for name, content in files(finished).items() if name in other} == other
    assert len(files(finished)) == 2 * len(before)


@pytest.mark.parametrize("then", ["the same", "back", "another configuration", "a training", "to one that is there"])
def test_a_switch_to_other_data_that_is_interrupted_at_any_file_loses_nothing(
    then: str, finished: RunFolder, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, replace, other = files(finished), Path.replace, dict[str, bytes]()
    if then == "to one that is there":
        finished.switch_to(config, data_sha256="e" * 64)
        other = on_other_data(finished, config)
        finished.switch_to(config, data_sha256="d" * 64)
    for last in range(len(before)):
        moved = 0

        def killed(path: Path, target: Path, last: int = last) -> Path:
            nonlocal moved
            if moved == last:
                raise KeyboardInterrupt
            moved += 1
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", killed)
        with contextlib.suppress(KeyboardInterrupt):
            finished.switch_to(config, data_sha256="e" * 64)
        monkeypatch.undo()
        if then == "the same":
            finished.switch_to(config, data_sha256="e" * 64)
        elif then == "another configuration":
            finished.switch_to(config_of(1), data_sha256="d" * 64)
        elif other:
            finished.switch_to(config, data_sha256="e" * 64)
            finished.check(config)
            assert {name: content for name, content in files(finished).items() if name in other} == other
        elif then == "a training" and moved:
            finished.claim(config)
            on_other_data(finished, config)
        finished.switch_to(config, data_sha256="d" * 64)
        finished.check(config)
        assert {name: content for name, content in files(finished).items() if name in before} == before


def test_records_of_no_run_are_not_trained_over(config: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "mine")
    write_bytes(folder.records, b"of an imported encoder")
    with pytest.raises(CareBenchError, match=r"has records of no run \(records.jsonl\), which would be lost"):
        folder.claim(config)
    assert folder.records.read_bytes() == b"of an imported encoder"
