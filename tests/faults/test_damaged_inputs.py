"""A damaged input ends in one line, or in the result of the undamaged one; never in a traceback or another result."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from care_bench.artifacts.ledger import LedgerRow, write_ledger
from tests.data import formats, large_formats
from tests.faults.conftest import HELD, LINE, SILENT, TRACEBACK, Command, Counting, Server
from tests.faults.damage import DAMAGES, damage
from tests.faults.samples import collect, make, ok
from tests.faults.test_killed_commands import tree
from tests.faults.test_killed_training import result

RUN = "results/runs/faults/digits/care/seed0"
TRAIN = ("pretrain", "faults.yaml", "--run", "digits/care/seed0")
EVALUATE = ("evaluate", RUN, "--settings", "evaluation.json", "--out", "out/records.jsonl")
REPORT = ("report", "results", "--collection", "faults", "--out", "out/report")


@dataclass(frozen=True)
class Target:
    """An input file of a command.

    Attributes:
        file: to be damaged.
        arguments: of the command.
        protected: whether a change of its content has to be noticed, since the package wrote or knows the file. The
            content of the others is the user's own: another value in a profile is another profile.
        allow: the data set whose small files are published ones for this command.
    """

    file: str
    arguments: tuple[str | Path, ...]
    protected: bool = True
    allow: str = ""

    def __str__(self) -> str:
        """Return its name as that of a test."""
        return f"{self.arguments[0]} {self.file}"


def raw(name: str, file: str, protected: bool = True) -> Target:
    return Target(f"raw/{name}/{file}", ("prepare", name, "--raw", f"raw/{name}"), protected, name)


TARGETS = (
    Target("faults.yaml", (*TRAIN, "--out", "out/run"), protected=False),
    Target("evaluation.json", EVALUATE, protected=False),
    Target("results/data/digits/meta.json", (*TRAIN, "--out", "out/run")),
    Target("results/data/digits/train_inputs.npy", (*TRAIN, "--out", "out/run")),
    Target("unfinished/state/checkpoint.pt", (*TRAIN, "--out", "unfinished")),
    Target("unfinished/state/log.jsonl", (*TRAIN, "--out", "unfinished")),
    Target("unfinished/state/epoch1.safetensors", (*TRAIN, "--out", "unfinished")),
    Target("unfinished/config.json", (*TRAIN, "--out", "unfinished")),
    *(
        Target(f"{RUN}/{file}", EVALUATE)
        for file in ("config.json", "pretrain.json", "encoder.safetensors", "log.jsonl", "snapshots/epoch1.safetensors")
    ),
    *(Target(f"{RUN}/{file}", (*collect("faults")[:-1], "out/faults")) for file in ("records.jsonl", "evaluate.json")),
    *(
        Target(f"results/collected/faults/{file}", REPORT)
        for file in ("records.parquet", "records.csv", "profile.json", "MANIFEST.json")
    ),
    *(
        Target(f"results/pinned/pin-faults/{file}", ("report", "results", "--collection", "pinned/pin-faults"))
        for file in ("records.parquet", "MANIFEST.json")
    ),
    Target("results/theory/ledger.jsonl", REPORT),
    Target("results/reference/table1.csv", REPORT, protected=False),
    raw("cifar10", "cifar-10-batches-py/data_batch_2"),
    raw("cifar100", "cifar-100-python/train"),
    raw("stl10", "stl10_binary/train_X.bin"),
    raw("flowers102", "flowers-102/setid.mat"),
    raw("flowers102", "flowers-102/jpg/image_00003.jpg", protected=False),
    raw("fashion_mnist", "FashionMNIST/raw/train-labels-idx1-ubyte.gz"),
    raw("imagenet100", "ILSVRC2012_img_train.tar", protected=False),
    raw("imagenet100", "ILSVRC2012_devkit_t12.tar.gz", protected=False),
    raw("pdb", "", protected=False),
)


@pytest.fixture(scope="module")
def sample(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every target."""
    folder = tmp_path_factory.mktemp("sample")
    make(server, folder)
    (folder / "results/reference").mkdir()
    shutil.copy(Path(__file__).parents[2] / "results/reference/table1.csv", folder / "results/reference")
    row = {"id": "prop-1", "statement": "S", "source": "P", "examples": 3, "worst_residual": 1e-9, "seconds": 0.1}
    row |= {"tightest_ratio": 0.5, "ratio_quartiles": (0.1, 0.2, 0.3), "smallest_case": "n=1", "verdict": "holds"}
    row |= {"counterexample": None, "starts": None}
    write_ledger(folder / "results/theory/ledger.jsonl", [LedgerRow(**row, code_version="0")])
    for kill_at in range(40, 60):  # until there are both a checkpoint and a snapshot
        shutil.rmtree(folder / "unfinished", ignore_errors=True)
        server.run(folder, *TRAIN, "--out", "unfinished", kill_at=kill_at)
        if (
            len(list(folder.glob("unfinished/state-*/epoch1.safetensors")))
            + len(list(folder.glob("unfinished/state-*/checkpoint.pt")))
            == 2
        ):
            break
    for target in TARGETS:
        name = target.allow
        if name == "imagenet100":
            images = large_formats.tiny_imagenet(formats.SYNSETS, train=4, val=2)
            large_formats.write_train_archive(folder / "raw" / name, images)
            large_formats.write_validation_archive(folder / "raw" / name, images)
        elif name and not (folder / "raw" / name).exists():
            formats.write(name, folder / "raw" / name)
    return folder


def place_of(target: Target, folder: Path) -> Path:
    """The target's file; the state of an unfinished run is named by its configuration, and any structure will do."""
    if target.allow == "pdb":
        return sorted((folder / "raw/pdb").rglob("*.*"))[0]
    found = next(iter(folder.glob("unfinished/state-*")), folder)
    return Path(str(folder / target.file).replace(str(folder / "unfinished/state"), str(found)))


@pytest.fixture
def call(server: Server, sample: Path) -> Callable[[Target, Path], Command]:
    def run(target: Target, folder: Path) -> Command:
        allow = [target.allow, str(sample / "raw" / target.allow)] if target.allow else None
        return server.run(folder, *target.arguments, allow=allow, patience=60)

    return run


def written(folder: Path) -> dict[str, object]:
    """What the commands have written, without times."""
    found: dict[str, object] = {}
    for name in ("out", "results/data", "results/report"):
        found |= {f"{name}/{file}": content for file, content in tree(folder / name).items()}
    for run in (folder / "out/run", folder / "unfinished"):
        if (run / "pretrain.json").exists():
            files = {name: content for name, content in result(run).items() if not name.startswith("state-")}
            found |= {f"{run.name}/{name}": content for name, content in files.items()}
    return {name: content for name, content in found.items() if not name.endswith("out/run/pretrain.json")}


def cases(number: int) -> Iterator[tuple[str, int]]:
    """Kinds of damage with the seeds of their draws."""
    for index in range(number):
        yield DAMAGES[index % len(DAMAGES)], index


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("number", [pytest.param(len(DAMAGES), marks=pytest.mark.faults)])
def test_damaged_input(
    target: Target,
    number: int,
    sample: Path,
    call: Callable[[Target, Path], Command],
    counting: Counting,
    tmp_path: Path,
) -> None:
    place = tmp_path / "place"
    _copy(sample, place)
    ok(call(target, place))
    expected = written(place)
    with counting("damaged inputs") as outcomes:
        for kind, seed in cases(number):
            _copy(sample, place)
            before = written(place)
            file = place_of(target, place)
            damage(file, kind, random.Random(f"{target} {seed}"))
            ended = call(target, place)
            what = f"{target}, {kind} ({seed})"
            if ended.code == 0:
                held = not target.protected or _without(file, place, written(place)) == _without(file, place, expected)
                outcomes.add(HELD if held else SILENT, what)
            elif not ended.in_one_line or ended.state != "ended":
                outcomes.add(TRACEBACK, f"{what}: {ended.state} {ended.code} {ended.stderr[-600:]}")
            elif file.name not in ended.stderr and file.parent.name not in ended.stderr:
                outcomes.add(SILENT, f"{what}: the line does not name the file: {ended.stderr}")
            elif _half_written(before, written(place), file, place):
                outcomes.add(SILENT, f"{what}: half-written")
            else:
                outcomes.add(LINE, what)


def _without(file: Path, place: Path, found: dict[str, object]) -> dict[str, object]:
    """What was written, without the damaged file itself, whose damage may be harmless, such as a missing line end."""
    names = {file.relative_to(place).as_posix(), f"unfinished/{file.name}" if "unfinished" in str(file) else ""}
    return {name: content for name, content in found.items() if name not in names}


def _half_written(before: dict[str, object], after: dict[str, object], file: Path, place: Path) -> bool:
    """Whether a failed command has changed what was there or left a part of its result."""
    damaged = file.relative_to(place).as_posix()
    names = {name for name in before | after if before.get(name) != after.get(name)}
    return any(name != damaged and ".partial" not in name for name in names)


def _copy(sample: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(sample, place)
