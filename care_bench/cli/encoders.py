"""Commands that make data and encoders, and measure them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from care_bench.cli.app import DATA, RAW, Data, Raw, Verify, app, check_place, check_versions, note, say
from care_bench.errors import CareBenchError, unknown
from care_bench.terminal import keeps


@app.command()
@keeps("data sets that were finished are kept, and what was read of the others; the same command continues")
def prepare(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET...", help="Data sets; `doctor` lists them.")],
    data: Data = DATA,
    raw: Raw = RAW,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out raw files that cannot be read.")
    ] = False,
    verify: Verify = False,
) -> None:
    """Write data sets as memory-mapped arrays with checksums."""
    from care_bench.data import DATASETS, load
    from care_bench.data import prepare as prepare_dataset

    for name in datasets:
        if name not in DATASETS:
            raise unknown("data set", name, DATASETS)
    for name in datasets:
        meta = data / name / "meta.json"
        before = meta.stat().st_ino if os.path.lexists(meta) else None
        folder = prepare_dataset(name, data, raw, skip_broken, verify)
        dataset = load(name, data)
        sizes = f"{len(dataset.train.inputs)} train, {len(dataset.test.inputs)} test"
        skipped = len(dataset.meta.get("skipped", []))
        when = " when it was prepared before" if meta.stat().st_ino == before else ""
        left_out = f", {skipped} broken files left out{when} (named in meta.json)" if skipped else ""
        say(f"{name}: {sizes}{left_out}, sha256 {dataset.sha256[:12]}, in {folder}")
        if selection := dataset.meta.get("selection"):
            say(f"{name}: {selection}")


@app.command("fetch-pdb")
@keeps("the downloaded entries are kept; the same command continues")
def fetch_pdb(
    ids: Annotated[Path, typer.Argument(metavar="IDS", help="Text file of PDB ids, one per line.")],
    raw: Raw = RAW,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave out ids the server does not know.")] = False,
) -> None:
    """Download entries of the Protein Data Bank for data set `pdb`; complete files are kept."""
    from care_bench.data.preparing.pdb_download import fetch

    fetched = fetch(ids, raw, skip_broken)
    unknown_ids = f", {len(fetched.unknown)} unknown to the server" if fetched.unknown else ""
    say(f"{fetched.downloaded} entries downloaded, {fetched.kept} kept{unknown_ids}, in {raw / 'pdb'}")


@app.command()
@keeps("a finished run and the last checkpoint are kept; the same command continues")
def pretrain(
    config: Annotated[Path, typer.Argument(help="A run's config.json, or a profile together with --run.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")],
    run: Annotated[str | None, typer.Option("--run", help="Run of the profile: DATASET/VARIANT/seedN.")] = None,
    data: Data = DATA,
    verify: Verify = False,
) -> None:
    """Pretrain one run; a stopped run continues when it is started again."""
    from care_bench.config import read_run

    check_place(out)
    settings = read_run(config, run)
    check_versions()
    if verify:
        from care_bench.data import load

        load(settings.dataset, data, verify)
    # After the settings are read: a misspelt key is reported without waiting for torch.
    from care_bench.training.pretrain import pretrain as train

    folder = train(settings, data, out)
    summary = folder.check(settings)
    speed = f"{summary.images_per_second} images/s on {summary.device}"
    say(f"{settings.id}: {summary.steps} steps, {speed}, in {out}")


@app.command()
@keeps("nothing was written, and records of an earlier evaluation are kept; the same command starts it again")
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    data: Data = DATA,
    settings: Annotated[Path | None, typer.Option("--settings", help="Evaluation settings (JSON or YAML).")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Records to write; by default RUN/records.jsonl.")] = None,
    verify: Verify = False,
) -> None:
    """Measure the frozen encoder of a finished run; writes one record per metric."""
    from care_bench.config import EvaluationConfig, read_evaluation

    if out is not None:
        check_place(out)
    chosen = EvaluationConfig() if settings is None else read_evaluation(settings)
    check_versions()
    from care_bench.evaluation.run import evaluate as measure

    records = measure(run, data, chosen, out, verify)
    say(f"{run}: {len(records)} records in {run / 'records.jsonl' if out is None else out}")


@app.command()
@keeps("nothing was written, and records of an earlier measurement are kept; the same command starts it again")
def measure(
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder", help="timm:NAME, torchvision:NAME, PATH.py:FUNCTION, package.module:function or run:FOLDER."
        ),
    ],
    dataset: Annotated[
        str, typer.Option("--dataset", help="A prepared data set, a folder of images, or a .npy or .npz file.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the records; its name is the encoder's in tables.")],
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Checkpoint (safetensors or torch); without it, seeded weights.")
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="Layer to measure, repeatable; by default pooled and projector.")
    ] = None,
    augment: Annotated[
        str | None, typer.Option("--augment", help="Some of crop,flip,colour,blur,rotation; by default the first four.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option("--prefix", help="Prefix of the encoder's keys in the checkpoint; else it is found.")
    ] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Use a checkpoint that lacks some weights; records say so.")
    ] = False,
    size: Annotated[
        int | None, typer.Option("--size", min=1, max=4096, help="Side of the encoder's input; else the model's own.")
    ] = None,
    mean: Annotated[str | None, typer.Option("--mean", help="Channel means, as 0.5,0.5,0.5; else the model's.")] = None,
    std: Annotated[str | None, typer.Option("--std", help="Channel deviations; else the model's.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed of the weights, where no file gives them; by default 0.")
    ] = None,
    settings: Annotated[Path | None, typer.Option("--settings", help="Evaluation settings (JSON or YAML).")] = None,
    samples: Annotated[int | None, typer.Option("--samples", min=1, help="Most samples of each split.")] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave out images that cannot be read.")] = False,
    floor: Annotated[
        Path | None,
        typer.Option("--floor", help="Folder for the same encoder without --weights, to read the numbers against."),
    ] = None,
    data: Data = DATA,
    verify: Verify = False,
) -> None:
    """Measure an encoder that was trained anywhere, on a data set or your own images; see docs/measure.md."""
    check_versions()
    from care_bench.measure import measure as work
    from care_bench.report.measured import measured_table

    keys = {
        "encoder": encoder,
        "weights": None if weights is None else str(weights),
        "layers": layer or [],
        "prefix": prefix,
        "allow_partial": allow_partial,
        "size": size,
        "mean": _numbers("--mean", mean),
        "std": _numbers("--std", std),
        **({} if seed is None else {"seed": seed}),
    }
    out, floor = _named(out), None if floor is None else _named(floor)
    found, beneath = work(
        keys, dataset, data, out, augment, settings, samples, threads, skip_broken, verify, floor, say
    )
    Console(highlight=False).print(measured_table(found.records or [], out.name, beneath))
    beside = (
        "" if beneath or weights is None else "; a floor to read them against: the same command with --floor FOLDER"
    )
    say(
        f"{out.name}: {len(found.records or [])} records of {found.samples} test samples in {found.path}; all tables: "
        f"see docs/measure.md{beside}"
    )
    for line in found.notes:
        note(f"{dataset}: {line}")


@app.command()
@keeps("nothing was changed; the same command starts again")
def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what needs torch.")] = False,
    data: Data = DATA,
    verify: Verify = False,
) -> None:
    """Show installed packages, the device, the prepared data sets, and the free disk space."""
    from care_bench.doctor import examine

    if quick and verify:
        raise CareBenchError("--quick leaves out the checksums that --verify is about; expected one of the two")
    if not examine(data, quick, Console(), verify):
        raise CareBenchError("some installed versions are outside the supported range, see above; run make setup")


def _named(folder: Path) -> Path:
    """Return a folder by its name; `.` has none."""
    return folder.resolve() if folder.name in ("", "..") else folder


def _numbers(option: str, text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise CareBenchError(f"{option} {text!r}; expected numbers with commas, such as 0.5,0.5,0.5") from None
