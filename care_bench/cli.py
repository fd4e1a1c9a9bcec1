"""The command ``care-bench``. What a command needs is imported when it runs: ``--help`` never imports torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from care_bench import __version__, names
from care_bench.errors import CareBenchError, unknown
from care_bench.terminal import keeps

app = typer.Typer(
    help="Reproduce, measure and report equivariant contrastive learning (CARE, ICLR 2024).",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Option("--data", help="Folder of prepared data sets.")]
Raw = Annotated[Path, typer.Option("--raw", help="Folder of raw data: yours, and downloads.")]
Results = Annotated[Path, typer.Argument(help="Results folder.")]
Runs = Annotated[Path, typer.Argument(metavar="RUNS", help="JSON list of run configurations.")]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder of all runs.")]
Logs = Annotated[Path, typer.Option("--logs", help="Folder of the logs of runs.")]
Summary = Annotated[Path, typer.Option("--out", help="JSON file to write: run -> SHA-256 of its result.")]
DATA, RAW, RESULTS = Path(names.DATA), Path("results/raw"), Path("results")


def _say(line: str) -> None:
    Console(highlight=False, soft_wrap=True).print(line, markup=False)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Reproduce, measure and report equivariant contrastive learning (CARE, ICLR 2024)."""
    if context.invoked_subcommand is None:
        _say(f"care-bench {__version__}" if version else context.get_help())


@app.command()
@keeps("data sets that were finished are kept, and what was read of the others; the same command continues")
def prepare(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET...", help="Data sets; `doctor` lists them.")],
    data: Data = DATA,
    raw: Raw = RAW,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out raw files that cannot be read.")
    ] = False,
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
        folder = prepare_dataset(name, data, raw, skip_broken)
        dataset = load(name, data)
        sizes = f"{len(dataset.train.inputs)} train, {len(dataset.test.inputs)} test"
        skipped = len(dataset.meta.get("skipped", []))
        when = " when it was prepared before" if meta.stat().st_ino == before else ""
        left_out = f", {skipped} broken files left out{when} (named in meta.json)" if skipped else ""
        _say(f"{name}: {sizes}{left_out}, sha256 {dataset.sha256[:12]}, in {folder}")
        if selection := dataset.meta.get("selection"):
            _say(f"{name}: {selection}")


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
    _say(f"{fetched.downloaded} entries downloaded, {fetched.kept} kept{unknown_ids}, in {raw / 'pdb'}")


@app.command()
@keeps("a finished run and the last checkpoint are kept; the same command continues")
def pretrain(
    config: Annotated[Path, typer.Argument(help="A run's config.json, or a profile together with --run.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")],
    run: Annotated[str | None, typer.Option("--run", help="Run of the profile: DATASET/VARIANT/seedN.")] = None,
    data: Data = DATA,
) -> None:
    """Pretrain one run; a stopped run continues when it is started again."""
    from care_bench.config import read_run

    settings = read_run(config, run)
    _check_versions()
    # After the settings are read: a misspelt key is reported without waiting for torch.
    from care_bench.training.pretrain import pretrain as train

    folder = train(settings, data, out)
    summary = folder.check(settings)
    speed = f"{summary.images_per_second} images/s on {summary.device}"
    _say(f"{settings.id}: {summary.steps} steps, {speed}, in {out}")


@app.command()
@keeps("nothing was written, and records of an earlier evaluation are kept; the same command starts it again")
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    data: Data = DATA,
    settings: Annotated[Path | None, typer.Option("--settings", help="Evaluation settings (JSON or YAML).")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Records to write; by default RUN/records.jsonl.")] = None,
) -> None:
    """Measure the frozen encoder of a finished run; writes one record per metric."""
    from care_bench.config import EvaluationConfig, read_evaluation

    chosen = EvaluationConfig() if settings is None else read_evaluation(settings)
    _check_versions()
    from care_bench.evaluation.run import evaluate as measure

    records = measure(run, data, chosen, out)
    _say(f"{run}: {len(records)} records in {run / 'records.jsonl' if out is None else out}")


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
        int | None, typer.Option("--size", help="Side of the encoder's input; else the model's own.")
    ] = None,
    mean: Annotated[str | None, typer.Option("--mean", help="Channel means, as 0.5,0.5,0.5; else the model's.")] = None,
    std: Annotated[str | None, typer.Option("--std", help="Channel deviations; else the model's.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the weights, where no file gives them.")] = 0,
    settings: Annotated[Path | None, typer.Option("--settings", help="Evaluation settings (JSON or YAML).")] = None,
    samples: Annotated[int | None, typer.Option("--samples", min=1, help="Most samples of each split.")] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave out images that cannot be read.")] = False,
    data: Data = DATA,
) -> None:
    """Measure an encoder that was trained anywhere, on a data set or your own images; see docs/measure.md."""
    _check_versions()
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
        "seed": seed,
    }
    found = work(keys, dataset, data, out, augment, settings, samples, threads, skip_broken, _say)
    Console(highlight=False).print(measured_table(found.records or [], out.name))
    _say(f"{out.name}: {len(found.records or [])} records in {found.path}; all tables: see docs/measure.md")


@app.command("pretrain-runs")
@keeps("finished runs and the last checkpoint are kept; the same command continues")
def pretrain_runs(file: Runs, runs: RunsFolder, logs: Logs, out: Summary, data: Data = DATA) -> None:
    """Pretrain the runs of a job of the workflow, one after another."""
    _check_versions()
    from care_bench.jobs import pretrain_runs as work

    work(file, runs, data, logs, out)


@app.command("evaluate-runs")
@keeps("the records of finished evaluations are kept; the same command continues")
def evaluate_runs(
    file: Runs,
    settings: Annotated[Path, typer.Option("--settings", help="Evaluation settings (JSON or YAML).")],
    runs: RunsFolder,
    logs: Logs,
    out: Summary,
    data: Data = DATA,
) -> None:
    """Evaluate the runs of a job of the workflow, one after another."""
    from care_bench.config import read_evaluation

    chosen = read_evaluation(settings)
    _check_versions()
    from care_bench.jobs import evaluate_runs as work

    work(file, chosen, runs, data, logs, out)


@app.command("measure-runs")
@keeps("the records of measured encoders are kept; the same command continues")
def measure_runs(
    file: Runs,
    settings: Annotated[Path, typer.Option("--settings", help="Evaluation settings (JSON or YAML).")],
    runs: RunsFolder,
    logs: Logs,
    out: Summary,
    data: Data = DATA,
) -> None:
    """Measure the imported encoders of a job of the workflow, one after another."""
    from care_bench.config import read_evaluation

    chosen = read_evaluation(settings)
    _check_versions()
    from care_bench.jobs import measure_runs as work

    work(file, chosen, runs, data, logs, out)


@app.command()
@keeps("the collection is as it was before or whole; the same command writes it")
def collect(
    out: Annotated[Path, typer.Option("--out", help="Folder of the collection: results/collected/NAME.")],
    records: Annotated[list[Path] | None, typer.Argument(metavar="[RECORDS...]", help="Files of records.")] = None,
    profile: Annotated[Path | None, typer.Option("--profile", help="Collect the runs of this profile.")] = None,
    runs: Annotated[Path | None, typer.Option("--runs", help="Folder of these runs.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the collection of another profile, or of all runs of a profile.")
    ] = False,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Rules for claims as they were before the runs, to keep with them.")
    ] = None,
) -> None:
    """Gather records into one Parquet and one CSV file: given files, or those of every run of a profile."""
    if rules is not None and profile is None:
        raise CareBenchError("--rules is for the runs of a profile; expected --profile and --runs beside it")
    from care_bench.artifacts.collection import collect as gather
    from care_bench.artifacts.collection import collect_profile

    if profile is not None and runs is not None and not records:
        from care_bench.config import read_profile

        collect_profile(read_profile(profile), runs, out, replace, rules)
    elif records and profile is None and runs is None:
        gather(records, out, replace)
    else:
        raise CareBenchError("collect takes files of records, or --profile and --runs; expected one of the two")
    _say(f"collected in {out}")


@app.command()
@keeps("the report is as it was before or whole; the same command writes it")
def report(
    results: Results = RESULTS,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; by default RESULTS/report/NAME.")] = None,
    formats: Annotated[str, typer.Option("--format", help="Any of md,tex,html,csv.")] = "md,tex,html,csv",
    collection: Annotated[str | None, typer.Option("--collection", help="Report this collection or pin only.")] = None,
    print_all: Annotated[bool, typer.Option("--print", help="Print every table, not the short form.")] = False,
    compare: Annotated[
        tuple[str, str] | None, typer.Option("--compare", help="Instead: which numbers of two collections differ.")
    ] = None,
) -> None:
    """Write the page and the tables, every number with its records, and print them in short."""
    from care_bench.report.build import write_comparison, write_report

    if compare is not None:
        write_comparison(results, *compare)
        return
    write_report(results, out, formats.split(","), collection, print_all=print_all)


@app.command()
@keeps("the figure is as it was before or whole; the same command draws it")
def plot(
    results: Results = RESULTS,
    x: Annotated[str | None, typer.Option("--x", help="A setting, such as weight, or a column, such as epoch.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="A metric, or PROTOCOL/METRIC.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="A setting or column that colours tell apart.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="Only rows with this: NAME=VALUE, repeatable.")
    ] = None,
    representation: Annotated[str, typer.Option("--representation", help="projection or features.")] = "projection",
    figure: Annotated[
        str | None, typer.Option("--figure", help="A figure of the report, instead of --x and --y.")
    ] = None,
    collection: Annotated[str | None, typer.Option("--collection", help="The collection or pin to draw.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="FILE.svg, .pdf or .png; by default in RESULTS/plots.")
    ] = None,
) -> None:
    """Draw a metric over a setting, or one figure of the report, with its numbers as CSV beside it."""
    from care_bench.report.figures.write import plot_figure, plot_metric

    if figure is not None and not (x or y or by or where):
        drawn, files = plot_figure(results, collection, figure, out)
    elif figure is None and x is not None and y is not None:
        if representation not in names.REPRESENTATIONS:
            raise unknown("representation", representation, names.REPRESENTATIONS)
        drawn, files = plot_metric(results, collection, x, y, by, representation, where or [], out)
    else:
        from care_bench.report.figures import FIGURES

        raise CareBenchError(f"plot takes --x and --y, or --figure; expected one of the two ({', '.join(FIGURES)})")
    _say(f"{drawn.title}, in {' and '.join(map(str, files))}")


@app.command("plot-run")
@keeps("the figure is as it was before or whole; the same command draws it")
def plot_run(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs.")],
    out: Annotated[Path, typer.Option("--out", help="FILE.svg, .pdf or .png.")] = Path("losses.svg"),
) -> None:
    """Draw the loss terms of runs through training, with their numbers as CSV beside them."""
    from care_bench.report.figures.losses import losses_plot
    from care_bench.report.figures.write import form_of, write_plot

    form_of(out)
    drawn = losses_plot(runs)
    _say(f"{drawn.title}, in {' and '.join(map(str, write_plot(drawn, out)))}")


@app.command()
@keeps("the table is as it was before or whole; the same command writes it")
def settings(
    profile: Annotated[Path, typer.Argument(help="A profile.")],
    results: Annotated[Path, typer.Option("--results", help="Results folder, with the paper's settings.")] = RESULTS,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; by default RESULTS/settings/NAME.")] = None,
) -> None:
    """Print and write the paper's settings beside those of a profile, and why they differ."""
    from care_bench.config import read_profile
    from care_bench.report.settings_table import write_settings

    parsed = read_profile(profile)
    write_settings(parsed, results, results / "settings" / parsed.name if out is None else out)


@app.command()
@keeps("the pin is whole or absent; the same command makes it")
def pin(
    name: Annotated[str, typer.Argument(help="Name of the pin: results/pinned/NAME.")],
    collection: Annotated[str, typer.Option("--collection", help="The collection to pin.")],
    results: Annotated[Path, typer.Option("--results", help="Results folder.")] = RESULTS,
) -> None:
    """Copy a collection into results/pinned/NAME with a manifest of checksums."""
    from care_bench.artifacts.pin import pin as pin_collection

    _say(f"pinned {collection} in {pin_collection(results, name, collection)}")


@app.command()
@keeps("nothing was changed; the same command starts again")
def verify(
    results: Results = RESULTS,
    again: Annotated[
        str | None, typer.Option("--rerun", metavar="RECORD", help="Train and measure the run of this record again.")
    ] = None,
    data: Data = DATA,
) -> None:
    """Check every pinned file against its manifest; or repeat the run of a pinned record, and compare."""
    if again is not None:
        _check_versions()
        from care_bench.rerun import rerun

        rerun(results, again, data, _say)
        return
    from care_bench.artifacts.pin import verify_all

    verified = verify_all(results)
    if not verified:
        raise CareBenchError(f"{results} holds no pinned results to verify: expected folders in {results / 'pinned'}")
    _say(f"{verified} pinned files are as their manifests say")


@app.command()
@keeps("nothing was changed; the same command starts again")
def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what needs torch.")] = False,
    data: Data = DATA,
) -> None:
    """Show installed packages, the device, the prepared data sets, and the free disk space."""
    from care_bench.doctor import examine

    if not examine(data, quick, Console()):
        raise CareBenchError("some installed versions are outside the supported range, see above; run make setup")


def _numbers(option: str, text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise CareBenchError(f"{option} {text!r}; expected numbers with commas, such as 0.5,0.5,0.5") from None


def _check_versions() -> None:
    from care_bench.artifacts import SUPPORTED, TRAINING, check_versions

    check_versions({name: SUPPORTED[name] for name in TRAINING})
