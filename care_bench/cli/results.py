"""Commands on records: collections, reports, figures and pins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from care_bench import names
from care_bench.cli.app import DATA, RESULTS, Data, Results, Verify, app, check_versions, say
from care_bench.errors import CareBenchError, unknown
from care_bench.terminal import keeps


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
        Path | None, typer.Option("--rules", help="Rules for claims, as keep-rules copied them, to keep with the runs.")
    ] = None,
    illustrations: Annotated[
        list[Path] | None, typer.Option("--illustrations", help="What illustrate-runs wrote, to keep with them.")
    ] = None,
    resamples: Annotated[
        list[Path] | None, typer.Option("--resamples", help="What resample-runs wrote, to keep with them.")
    ] = None,
) -> None:
    """Gather records into one Parquet and one CSV file: given files, or those of every run of a profile."""
    for option, given in (("--rules", rules), ("--illustrations", illustrations), ("--resamples", resamples)):
        if given and profile is None:
            raise CareBenchError(f"{option} is for the runs of a profile; expected --profile and --runs beside it")
    from care_bench.artifacts.collecting import collect as gather
    from care_bench.artifacts.collecting import collect_profile

    if profile is not None and runs is not None and not records:
        from care_bench.config import read_profile

        collect_profile(read_profile(profile), runs, out, replace, rules, illustrations or (), resamples or ())
    elif records and profile is None and runs is None:
        gather(records, out, replace)
    else:
        raise CareBenchError("collect takes files of records, or --profile and --runs; expected one of the two")
    say(f"collected in {out}")


@app.command()
@keeps("the report is as it was before or whole; the same command writes it")
def report(
    results: Results = RESULTS,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; by default RESULTS/report/NAME.")] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help="Any of md,tex,html,csv; by default all.", show_default=False)
    ] = None,
    collection: Annotated[str | None, typer.Option("--collection", help="Report this collection or pin only.")] = None,
    print_all: Annotated[bool, typer.Option("--print", help="Print every table, not the short form.")] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", help="Instead: which numbers of two collections differ, as CSV."),
    ] = None,
) -> None:
    """Write the page and the tables, every number with its records, and print them in short."""
    from care_bench.report.command import write

    write(results, out, formats, collection, print_all, compare)


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
    representation: Annotated[
        str | None, typer.Option("--representation", help="projection (default) or features, of --y.")
    ] = None,
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

    if figure is not None and not (x or y or by or where or representation):
        drawn, files = plot_figure(results, collection, figure, out)
    elif figure is None and x is not None and y is not None:
        chosen = representation or "projection"
        if chosen not in names.REPRESENTATIONS:
            raise unknown("representation", chosen, names.REPRESENTATIONS)
        drawn, files = plot_metric(results, collection, x, y, by, chosen, where or [], out)
    else:
        from care_bench.report.figures import FIGURES

        raise CareBenchError(
            "plot takes --x and --y, or --figure; expected one of the two, and --by, --where and --representation with "
            f"the first alone ({', '.join(FIGURES)})"
        )
    say(f"{drawn.title}, in {' and '.join(map(str, files))}")


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
    say(f"{drawn.title}, in {' and '.join(map(str, write_plot(drawn, out)))}")


@app.command()
@keeps("the figure is as it was before or whole; the same command draws it")
def illustrate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs of one data set.")],
    figure: Annotated[str, typer.Option("--figure", help="trajectories, retrieval or cosines.")],
    data: Data = DATA,
    verify: Verify = False,
    settings: Annotated[Path | None, typer.Option("--settings", help="Evaluation settings (JSON or YAML).")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="FILE.svg, .pdf or .png; by default FIGURE.svg.")] = None,
) -> None:
    """Draw what needs the encoders of runs and their data set, with its numbers as CSV beside it."""
    from care_bench.config import EvaluationConfig, read_evaluation
    from care_bench.report.figures.write import form_of, write_illustration

    target = Path(f"{figure}.svg") if out is None else out
    form_of(target)
    chosen = EvaluationConfig() if settings is None else read_evaluation(settings)
    check_versions()
    from care_bench.evaluation.illustrations import illustrate as work

    drawn, files = write_illustration(work(runs, data, chosen, figure, verify), target)
    say(f"{drawn.title}, in {' and '.join(map(str, files))}")


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
    """Copy a collection into results/pinned/NAME with its figures and a manifest of checksums."""
    from care_bench.artifacts.pin import pin as pin_collection
    from care_bench.report.figures import drawn_figures

    say(f"pinned {collection} in {pin_collection(results, name, collection, drawn_figures)}")


@app.command()
@keeps("the crate is as it was before or whole; the same command writes it")
def crate(
    name: Annotated[str, typer.Argument(help="Name of the pin.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the crate, to make or replace.")],
    results: Annotated[Path, typer.Option("--results", help="Results folder.")] = RESULTS,
) -> None:
    """Write a pin with its report and metadata as an RO-Crate, the folder to deposit in an archive."""
    from care_bench.report.crate import write_crate

    say(f"crate of pin {name}, described in {write_crate(results, name, out)}")


@app.command()
@keeps("nothing was changed; the same command starts again")
def verify(
    results: Results = RESULTS,
    again: Annotated[
        str | None, typer.Option("--rerun", metavar="RECORD", help="Train and measure the run of this record again.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="For --rerun: folder of prepared data sets.")] = None,
) -> None:
    """Check every pinned file against its manifest; or repeat the run of a pinned record, and compare."""
    if again is not None:
        check_versions()
        from care_bench.rerun import rerun

        rerun(results, again, DATA if data is None else data, say)
        return
    if data is not None:
        raise CareBenchError("--data is for the run that --rerun repeats; expected both or none")
    from care_bench.artifacts.pin import verify_all

    verified = verify_all(results)
    if not verified:
        raise CareBenchError(f"{results} holds no pinned results to verify: expected folders in {results / 'pinned'}")
    say(f"{verified} pinned files are as their manifests say")
