"""The folder of `care-bench measure --out`: nothing in it is lost, and a failure leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn, save, tensor

from care_bench.artifacts import read_records, write_records
from care_bench.errors import CareBenchError
from care_bench.evaluation.imported import measure_imported
from care_bench.files import locked
from care_bench.measure import measure as measure_encoder
from tests.commands import run_care_bench
from tests.forks import Ended
from tests.sample_records import make_record

ENCODERS = """
import torch
from torch import nn

class First(nn.Module):
    def forward(self, images):
        return images.flatten(1)

class Second(First):
    pass

class Scales(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return self.scale * images.flatten(1)

class Fails(nn.Module):
    def forward(self, images):
        if len(images) > 4:
            raise RuntimeError("later")
        return images.flatten(1)

class Interrupts(nn.Module):
    def forward(self, images):
        raise KeyboardInterrupt
"""


def measure(folder: Path, data: Path, name: str, *options: str, out: str = "mine") -> Ended:
    path = folder / "encoders.py"
    path.write_text(ENCODERS)
    return run_care_bench(
        "measure", "--encoder", f"{path}:{name}", "--dataset", "digits", "--data", data, "--out", folder / out,
        "--samples", "24", *options,
    )  # fmt: skip


def test_records_of_another_encoder_are_not_replaced(data: Path, tmp_path: Path) -> None:
    assert measure(tmp_path, data, "First").returncode == 0
    records = (tmp_path / "mine" / "records.jsonl").read_bytes()
    ended = measure(tmp_path, data, "Second")
    assert ended.returncode == 2
    assert "has the records of encoders.py:First with no weights on digits, which would be lost" in ended.stderr
    assert (tmp_path / "mine" / "records.jsonl").read_bytes() == records
    for options, differs in ((("--samples", "20"), "samples"), (("--augment", "crop"), "augmentation")):
        ended = measure(tmp_path, data, "First", *options)
        assert ended.returncode == 2
        assert f"has records with another {differs}, which would be lost" in ended.stderr
        assert (tmp_path / "mine" / "records.jsonl").read_bytes() == records
    assert measure(tmp_path, data, "First").returncode == 0  # the same again


def test_the_folder_it_works_in_has_its_own_name(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "encoders.py").write_text(ENCODERS)
    ended = run_care_bench(
        "measure", "--encoder", tmp_path / "encoders.py:First", "--dataset", "digits", "--data", data, "--out", ".",
        "--samples", "24", cwd=tmp_path / "mine",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert {record.variant for record in read_records(tmp_path / "mine" / "records.jsonl")} == {"mine"}


def test_a_failure_leaves_no_folder(data: Path, tmp_path: Path) -> None:
    ended = measure(tmp_path, data, "Fails", out="some/folder")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "later" in ended.stderr
    assert not (tmp_path / "some").exists()


def test_an_interruption_in_an_import_leaves_no_folder(data: Path, tmp_path: Path) -> None:
    """Such an import ends the process at once, since it may catch every exception."""
    (tmp_path / "interrupts.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    (tmp_path / "encoders.py").write_text(ENCODERS.replace('raise RuntimeError("later")', "import interrupts"))
    command = (
        sys.executable, "-m", "care_bench", "measure", "--encoder", f"{tmp_path / 'encoders.py'}:Fails",
        "--dataset", "digits", "--data", data, "--out", tmp_path / "some" / "folder", "--samples", "24",
    )  # fmt: skip
    path = os.pathsep.join((str(tmp_path), os.environ["PYTHONPATH"]))
    environment = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 128 + signal.SIGTERM
    assert "interrupted by SIGTERM: nothing was written" in ended.stderr
    assert not (tmp_path / "some").exists()


def test_an_interruption_by_the_encoder_is_said(data: Path, tmp_path: Path) -> None:
    ended = measure(tmp_path, data, "Interrupts")
    assert ended.returncode == 2
    assert "KeyboardInterrupt at encoders.py:28" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_other_weights_or_settings_of_the_same_encoder_do_not_replace_the_records(data: Path, tmp_path: Path) -> None:
    def measured(*options: str) -> Ended:
        return measure(tmp_path, data, "Scales", "--weights", str(tmp_path / "scale.pth"), *options)

    save({"scale": nn.Parameter(tensor(8.0))}, tmp_path / "scale.pth")
    assert measured().returncode == 0
    records = (tmp_path / "mine" / "records.jsonl").read_bytes()
    save({"scale": nn.Parameter(tensor(4.0))}, tmp_path / "scale.pth")
    ended = measured()
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "has the records of encoders.py:Scales with scale.pth on digits, of weights " in ended.stderr
    assert "; these have " in ended.stderr
    save({"scale": nn.Parameter(tensor(8.0))}, tmp_path / "scale.pth")
    ended = measured("--allow-partial", "--seed", "3")
    assert ended.returncode == 2
    assert "has records with another allow_partial, seed, which would be lost" in ended.stderr
    assert (tmp_path / "mine" / "records.jsonl").read_bytes() == records
    assert measured().returncode == 0


def test_other_code_in_a_file_of_the_same_name_does_not_replace_the_records(data: Path, tmp_path: Path) -> None:
    assert measure(tmp_path, data, "First").returncode == 0
    records = (tmp_path / "mine" / "records.jsonl").read_bytes()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "encoders.py").write_text(ENCODERS.replace("images.flatten(1)", "images.flatten(1).sqrt()"))
    ended = measure(tmp_path, data, "First", "--encoder", f"{tmp_path / 'other' / 'encoders.py'}:First")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "has the records of encoders.py:First with no weights on digits, of another encoders.py, whi" in ended.stderr
    assert (tmp_path / "mine" / "records.jsonl").read_bytes() == records


def test_other_data_of_the_same_name_do_not_replace_the_records(tmp_path: Path) -> None:
    def measured(folder: str) -> Ended:
        return measure(tmp_path, tmp_path, "First", "--dataset", str(tmp_path / folder / "data.npy"))

    for value, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "data.npy", np.full((8, 4, 4), value, np.uint8) + np.arange(4, dtype=np.uint8))
    assert measured("one").returncode == 0
    records = (tmp_path / "mine" / "records.jsonl").read_bytes()
    ended = measured("two")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "has the records of other data named data, of sha256 " in ended.stderr
    assert (tmp_path / "mine" / "records.jsonl").read_bytes() == records
    assert measured("one").returncode == 0


def test_a_data_set_that_is_not_prepared_is_called_so(tmp_path: Path) -> None:
    ended = measure(tmp_path, tmp_path / "nothing", "First")
    assert ended.returncode == 2
    line = f"data set 'digits' is not prepared in {tmp_path / 'nothing'}; prepare it with: care-bench prepare digits"
    assert line in ended.stderr


@pytest.mark.parametrize("name", ["config.json", "pretrain.json"])
def test_the_folder_of_a_run_is_left_alone(name: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for file in (name, "records.jsonl"):
        (tmp_path / "mine" / file).write_text("of a run")
    ended = measure(tmp_path, data, "First")
    assert ended.returncode == 2
    assert f"mine is the folder of a run ({name}), whose records would be lost" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert {path.name: path.read_text() for path in (tmp_path / "mine").iterdir()} == dict.fromkeys(
        (name, "records.jsonl"), "of a run"
    )


def test_records_of_a_trained_encoder_are_not_replaced(data: Path, tmp_path: Path) -> None:
    records = tmp_path / "mine" / "records.jsonl"
    write_records(records, [make_record(method="simclr")])
    before = records.read_bytes()
    ended = measure(tmp_path, data, "First")
    assert ended.returncode == 2
    assert "has the records of simclr, simclr on digits, which would be lost" in ended.stderr
    assert records.read_bytes() == before


def test_a_folder_is_looked_at_again_when_no_other_process_writes_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another measurement may have written to it in the meantime."""
    (tmp_path / "encoders.py").write_text(ENCODERS)
    out, found = tmp_path / "mine", []

    def other_first(*arguments: Any, refuse: Callable[[], None], **named: Any) -> Any:
        def late() -> None:
            with pytest.raises(CareBenchError, match="expected one at a time"), locked(out):
                pass
            write_records(out / "records.jsonl", [make_record(method="simclr")])
            found.append(True)
            refuse()

        return measure_imported(*arguments, refuse=late, **named)

    monkeypatch.setattr("care_bench.measure.measure_imported", other_first)
    encoder = {"encoder": f"{tmp_path / 'encoders.py'}:First"}
    with pytest.raises(CareBenchError, match="has the records of simclr, simclr on digits, which would be lost"):
        measure_encoder(encoder, "digits", data, out, None, None, 24, 1, False, False, None, lambda line: None)
    assert found == [True]
