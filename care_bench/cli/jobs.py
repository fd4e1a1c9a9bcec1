"""Commands of the workflow: jobs of several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from care_bench.cli.app import DATA, Data, app, check_versions, say
from care_bench.terminal import keeps

Runs = Annotated[Path, typer.Argument(metavar="RUNS", help="JSON list of run configurations.")]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder of all runs.")]
Logs = Annotated[Path, typer.Option("--logs", help="Folder of the logs of runs.")]
Evaluation = Annotated[Path, typer.Option("--settings", help="Evaluation settings (JSON or YAML).")]
Summary = Annotated[Path, typer.Option("--out", help="JSON file to write: run -> SHA-256 of its result.")]


@app.command("keep-rules")
@keeps("nothing was written; the same command starts again")
def keep_rules(
    rules: Annotated[Path, typer.Argument(metavar="RULES", help="Rules for claims.")],
    runs: RunsFolder,
    out: Annotated[Path, typer.Option("--out", help="The copy; one that is there stays.")],
) -> None:
    """Copy rules for claims before the first training; the copy says so if there were runs already."""
    from care_bench.runs.kept_rules import keep_rules as keep

    keep(rules, runs, out)


@app.command("pretrain-runs")
@keeps("finished runs and the last checkpoint are kept; the same command continues")
def pretrain_runs(file: Runs, runs: RunsFolder, logs: Logs, out: Summary, data: Data = DATA) -> None:
    """Pretrain the runs of a job of the workflow, one after another."""
    check_versions()
    from care_bench.jobs import pretrain_runs as work

    work(file, runs, data, logs, out)


@app.command("evaluate-runs")
@keeps("the records of finished evaluations are kept; the same command continues")
def evaluate_runs(
    file: Runs,
    settings: Evaluation,
    runs: RunsFolder,
    logs: Logs,
    out: Summary,
    data: Data = DATA,
) -> None:
    """Evaluate the runs of a job of the workflow, one after another."""
    from care_bench.config import read_evaluation

    chosen = read_evaluation(settings)
    check_versions()
    from care_bench.jobs import evaluate_runs as work

    work(file, chosen, runs, data, logs, out)


@app.command("measure-runs")
@keeps("the records of measured encoders are kept; the same command continues")
def measure_runs(
    file: Runs,
    settings: Evaluation,
    runs: RunsFolder,
    logs: Logs,
    out: Summary,
    data: Data = DATA,
) -> None:
    """Measure the imported encoders of a job of the workflow, one after another."""
    from care_bench.config import read_evaluation

    chosen = read_evaluation(settings)
    check_versions()
    from care_bench.jobs import measure_runs as work

    work(file, chosen, runs, data, logs, out)


@app.command("resample-runs")
@keeps("nothing was written; the same command starts again")
def resample_runs(
    file: Runs,
    rules: Annotated[Path, typer.Option("--rules", help="Rules for claims, which say what is compared.")],
    settings: Evaluation,
    runs: RunsFolder,
    out: Annotated[Path, typer.Option("--out", help="JSON lines to write.")],
    number: Annotated[int, typer.Option("--number", min=10, max=1000, help="Halves of the test samples.")] = 25,
    data: Data = DATA,
) -> None:
    """Measure the finished runs of a job on halves of the test samples, for intervals of the claims."""
    from care_bench.config import read_evaluation, read_runs

    configs, chosen = read_runs(file), read_evaluation(settings)
    check_versions()
    from care_bench.evaluation.resamples import resample
    from care_bench.evidence.rules import read_rules

    found = resample(configs, read_rules(rules)[0], number, chosen, runs, data, out)
    say(f"{len(found)} of {len(configs)} runs on {number} halves of the test samples, in {out}")


@app.command("illustrate-runs")
@keeps("nothing was written; the same command starts again")
def illustrate_runs(
    profile: Annotated[Path, typer.Argument(help="A profile, whose runs are finished.")],
    dataset: Annotated[str, typer.Option("--dataset", help="One of its data sets.")],
    settings: Evaluation,
    runs: RunsFolder,
    out: Annotated[Path, typer.Option("--out", help="JSON lines to write.")],
    data: Data = DATA,
) -> None:
    """Write what figures need of a few runs of a data set, beside their records, for a collection."""
    from care_bench.config import read_evaluation, read_profile

    parsed, chosen = read_profile(profile), read_evaluation(settings)
    check_versions()
    from care_bench.evaluation.illustrations import illustrate_profile

    found = illustrate_profile(parsed, dataset, runs, data, chosen, out)
    say(f"{dataset}: {len(found.runs)} of {found.candidates} rows, in {out}")
