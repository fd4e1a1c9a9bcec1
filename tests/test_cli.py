"""The command line: output, exit codes, and modules that it must not import."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from care_bench import __version__
from care_bench.artifacts import SUPPORTED, read_records
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import read_collection
from care_bench.data import prepare
from tests.commands import run_care_bench
from tests.forks import Ended, run_forked
from tests.sample_records import make_record, write_runs
from tests.tiny_profile import PROFILE

ROOT = Path(__file__).parents[1]
RUN = "proteins/simclr/seed0"


def run_apart(*arguments: str, cwd: Path = ROOT, **options: Any) -> Ended:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "care_bench", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, **options)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def fails(*arguments: str, run: Callable[..., Ended] = run_care_bench, **options: Any) -> str:
    """Run a command that must fail, and return its one line."""
    ended = run(*arguments, **options)
    assert ended.returncode == 2, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("proteins/simclr/seed0: step")]
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("care-bench: ")
    return lines[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    prepare("proteins", root)
    return root


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "tiny.yaml"
    path.write_text(yaml.safe_dump(PROFILE))
    return path


@pytest.fixture(scope="module")
def run(data: Path, profile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, made by the command line."""
    out = tmp_path_factory.mktemp("run") / "run"
    ended = run_care_bench("pretrain", str(profile), "--run", RUN, "--data", str(data), "--out", str(out))
    assert ended.returncode == 0, ended.stderr
    assert f"{RUN}: 2 steps" in ended.stdout
    return out


@pytest.mark.parametrize("arguments", [("--help",), ("pretrain", "--help"), ("doctor", "--quick"), ("--version",), ()])
def test_quick_commands_do_not_import_torch(arguments: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import sys; from care_bench.cli import app; app(sys.argv[1:], standalone_mode=False)\n"
        "slow = {'torch', 'sklearn', 'scipy', 'pandas', 'lightning_fabric'} & set(sys.modules)\n"
        "sys.exit(f'imported {slow}' if slow else 0)"
    )
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()


def test_doctor_tells_versions_device_data_and_disk(data: Path) -> None:
    ended = run_care_bench("doctor", "--data", str(data))
    versions = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in ended.stdout.splitlines()
                if line.count("│") == 3}  # fmt: skip
    assert versions["timm"] == metadata.version("timm")
    assert {*SUPPORTED, "python", "platform"} <= set(versions)
    assert ended.returncode == 0, ended.stderr
    for expected in (
        "torch",
        "numpy",
        "device: c",
        "proteins",
        "ready",
        "digits",
        "not prepared",
        "free disk space",
        "GB",
    ):
        assert expected in ended.stdout


def test_the_version_is_printed_and_nothing_else(tmp_path: Path) -> None:
    for arguments in (("--version",), ("--version", "collect", "--out", "x")):
        ended = run_care_bench(*arguments, cwd=tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"care-bench {__version__}\n", "")


def test_a_data_set_is_prepared_and_its_checksum_shown(tmp_path: Path) -> None:
    ended = run_care_bench("prepare", "digits", "--data", str(tmp_path / "d"))
    assert ended.returncode == 0, ended.stderr
    digest = json.loads((tmp_path / "d/digits/meta.json").read_text())["sha256"]
    assert f"digits: 1437 train, 360 test, sha256 {digest[:12]}" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pretrian",), "No such command 'pretrian'"),
        (("pretrain",), "Missing"),
        (("doctor", "--quik"), "(care-bench doctor --help)"),
        (("prepare", "digts"), "unknown data set 'digts': did you mean 'digits'?"),
        (("pretrain", "absent.yaml", "--out", "x"), "cannot read absent.yaml: No such file or directory"),
        (("evaluate", "absent"), "absent holds no run: config.json is missing"),
        (("report", "absent"), "absent"),
        (("verify", "absent"), "absent"),
        (("verify", "--data", "d"), "--data is for the run that --rerun repeats; expected both or none"),
        (("doctor", "--quick", "--verify"), "--quick leaves out the checksums that --verify is about"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    assert message in fails(*arguments, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == [], "a failed command left something behind"


def test_a_finished_run_is_evaluated_into_records(run: Path, data: Path) -> None:
    settings = run.parent / "evaluation.json"
    settings.write_text(json.dumps({"augmentations": 2}))
    ended = run_care_bench("evaluate", str(run), "--data", str(data), "--settings", str(settings))
    assert ended.returncode == 0, ended.stderr
    records = read_records(run / "records.jsonl")
    assert f"{len(records)} records in {run}/records.jsonl" in ended.stdout
    assert {record.variant for record in records} == {"simclr"}
    assert {record.profile for record in records} == {"tiny-steps2"}


def test_a_collection_of_another_profile_is_replaced_on_demand(run: Path, data: Path, tmp_path: Path) -> None:
    records = tmp_path / "mine.jsonl"
    evaluated = run_care_bench("evaluate", str(run), "--data", str(data), "--out", str(records))
    assert evaluated.returncode == 0, evaluated.stderr
    out = str(tmp_path / "results" / "collected" / "mine")
    collect(write_runs(tmp_path / "other", [make_record(profile="other")]), Path(out))
    line = fails("collect", str(records), "--out", out)
    assert (
        "mine holds the collection of profile other, these records are of profile tiny-steps2; expected another" in line
    )
    done = run_care_bench("collect", str(records), "--out", out, "--replace")
    assert (done.returncode, done.stderr) == (0, "")
    assert read_collection(Path(out)).profile == "tiny-steps2"
    assert "cannot be part of a collection" in fails("collect", str(records), "--out", str(data), "--replace")
    text = records.read_text()
    records.write_text(text.replace('"n":2', '"n":3', 1))
    number = next(number for number, line in enumerate(text.splitlines(), start=1) if '"n":2' in line)
    assert f"{records}:{number}: " in fails("collect", str(records), "--out", out)


def test_settings_have_a_folder_of_their_own(profile: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results" / "reference", tmp_path / "results" / "reference")
    done = run_care_bench("settings", str(profile), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "results" / "settings" / "tiny-steps2").iterdir())
    assert names == ["settings.csv", "settings.html", "settings.md"]


def test_unprepared_data_says_how_to_prepare_it(profile: Path, tmp_path: Path) -> None:
    arguments = ("pretrain", str(profile), "--run", RUN, "--data", str(tmp_path / "none"), "--out", str(tmp_path / "o"))
    line = fails(*arguments)
    assert "is not prepared" in line
    assert line.endswith(f"care-bench prepare proteins --data {tmp_path / 'none'}")


def test_a_full_results_folder_is_named_and_nothing_is_half_written(
    run: Path, profile: Path, data: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands for a full disk: writes beyond it fail in the same way."""
    code = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
    (tmp_path / "limited.py").write_text(code + "runpy.run_module('care_bench', run_name='__main__', alter_sys=True)")
    out = tmp_path / "out"
    arguments = ("pretrain", str(profile), "--run", RUN, "--data", str(data), "--out", str(out))
    line = fails("limited", *arguments, run=run_forked, cwd=tmp_path)
    assert f"cannot write {out}/encoder.safetensors" in line
    assert {path.name for path in out.iterdir() if path.is_file()} == {"config.json"}
    # With enough space, the same command succeeds.
    assert run_care_bench(*arguments).returncode == 0


def test_a_changed_encoder_is_not_evaluated(run: Path, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("config.json", "pretrain.json"):
        (copy / name).write_bytes((run / name).read_bytes())
    (copy / "encoder.safetensors").write_bytes((run / "encoder.safetensors").read_bytes()[:-4])
    assert "encoder.safetensors is truncated or changed" in fails("evaluate", str(copy), "--data", str(data))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "seed": 5}))
    assert "holds a run of config" in fails("evaluate", str(copy), "--data", str(data))
    assert not (copy / "records.jsonl").exists()


@pytest.mark.parametrize("command", [("care_bench", "prepare", "digits"), ("care_bench.report", "absent")])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interruption_is_one_line_whenever_it_comes(command: tuple[str, ...], name: str, tmp_path: Path) -> None:
    """The signal comes with an import: at the beginning, halfway in an import that would swallow it, in a command."""
    meddle = """
import builtins, os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
real, at, number = builtins.__import__, sys.argv.pop(1), getattr(signal, sys.argv.pop(1))
def imported(name, *rest, **named):
    if name == at:
        builtins.__import__ = real
        os.kill(os.getpid(), number)
    return real(name, *rest, **named)
builtins.__import__ = imported
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
    for at in ("typer", "pydantic", "numpy"):
        begin = [sys.executable, "-c", meddle, at, name, *command]
        ended = subprocess.run(begin, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ended.returncode == 128 + getattr(signal, name), (at, ended.stderr)
        assert len(ended.stderr.splitlines()) == 1, ended.stderr
        assert f": interrupted by {name}: " in ended.stderr
        assert "the same command" in ended.stderr
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_import_that_catches_everything_does_not_swallow_a_signal(name: str, tmp_path: Path) -> None:
    (tmp_path / "inner.py").write_text(f"import os, signal\nos.kill(os.getpid(), signal.{name})\n")
    (tmp_path / "outer.py").write_text(
        "try:\n    import inner\nexcept BaseException:\n    pass\ndef app(**options): return 0\n"
    )
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from care_bench.terminal import run; run('outer', 'outer')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ["PYTHONPATH"]))}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    line = f"outer: interrupted by {name}: nothing was begun; the same command starts it\n"
    assert (ended.returncode, ended.stderr) == (128 + getattr(signal, name), line)


@pytest.mark.parametrize("option", [("pretrain", "PIPE", "--out", "x"), ("evaluate", "x", "--settings", "PIPE")])
def test_a_named_pipe_is_refused_at_once(option: tuple[str, ...], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    arguments = [str(pipe) if word == "PIPE" else word for word in option]
    assert f"cannot read {pipe}: it is not a regular file" in fails(*arguments, run=run_apart, cwd=tmp_path, timeout=60)


def test_a_closed_output_ends_quietly(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "care_bench", "--version"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")  # 128 + SIGPIPE, as other programs end


def test_the_variables_of_a_launcher_are_ignored(
    run: Path, profile: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_over = {"SLURM_NTASKS": "4", "SLURM_PROCID": "x", "RANK": "x", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}
    for name, value in left_over.items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "run"
    # Not a fork: fabric reads them when it is imported.
    ended = run_apart("pretrain", str(profile), "--run", RUN, "--data", str(data), "--out", str(out))
    assert ended.returncode == 0, ended.stderr
    assert (out / "encoder.safetensors").read_bytes() == (run / "encoder.safetensors").read_bytes()
    settings = tmp_path / "evaluation.json"
    settings.write_text(json.dumps({"augmentations": 2, "samples": 16}))
    ended = run_care_bench("evaluate", str(out), "--data", str(data), "--settings", str(settings))
    assert ended.returncode == 0, ended.stderr
