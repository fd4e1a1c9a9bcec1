"""After a kill the same command goes on: stale locks are removed, and unfinished or lost outputs are made again.

Snakemake deletes no finished work: runs are not outputs, and the files of data sets, collections and reports, which their
commands replace whole, are flagged as updated in place.
"""

import fcntl
import os

from care_bench.artifacts.collection import made_from
from care_bench.files import sha256_file


def remove_stale_locks(folder):
    """Remove the locks of a killed snakemake; they name no process, so this needs to know that none is alive.

    Every living one shares a lock that the system releases at its end, and so does this one from now on. The folder
    itself is not locked: snakemake deletes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "care_bench.alive", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in (folder / "locks").glob("*.lock"):
            lock.unlink(missing_ok=True)
    except BlockingIOError:
        pass  # another one is alive, and snakemake looks at the locks itself
    except OSError:
        return  # a file system without such locks: snakemake --unlock removes stale ones
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def lost():
    """Yield the outputs of jobs whose results have gone or are no longer the ones that the job made.

    What is not there is made anyway, unless the collection, which is made last, is there.
    """
    made = Path(JOBS, "collected.json")
    finished = made.exists()
    if finished and made_from(Path(COLLECTED)) != sha256_file(made):
        yield str(made)
    stages = (
        ("pretrained", weights_sha256, JOBS_OF_PROFILE),
        ("evaluated", records_sha256, JOBS_OF_PROFILE),
        ("measured", records_sha256, IMPORTED_JOBS),
    )
    for stage, current, jobs in stages:
        for job in jobs:
            output = Path(JOBS, job, f"{stage}.json")
            results = content(output)
            gone = finished and not results
            if gone or any(current(run) != sha256 for run, sha256 in results.items()):
                yield str(output)
    for output in RESAMPLES:
        if halves_in(output) not in (None, PROFILE.resamples):
            yield output
    for output, text in written():
        try:
            differs = Path(output).read_bytes() != f"{text}\n".encode()
        except OSError:
            differs = finished
        if differs:
            yield output


def written():
    """Yield the files that jobs write of the profile alone, with what it says now.

    Snakemake compares parameters too, but only those that it has kept, in a folder that results may be without.
    """
    yield RESOLVED, RESOLVED_PROFILE
    for dataset in dict.fromkeys(map(dataset_of_job, ALL_JOBS)):
        yield f"{JOBS}/{dataset}/evaluation.json", evaluation_settings(dataset)
    for job in ALL_JOBS:
        yield f"{JOBS}/{job}/runs.json", configurations(job)


def weights_sha256(run):
    """The hash of the weights of a run, as its summary has it; None where there are none."""
    folder = Path(RUNS, run)
    summary = (
        content(folder / "pretrain.json")
        if (folder / "encoder.safetensors").exists()
        else {}
    )
    return summary.get("weights_sha256")


def records_sha256(run):
    """The hash of the records of a run, or None."""
    path = Path(RUNS, run, "records.jsonl")
    return sha256_file(path) if path.is_file() else None


def halves_in(path):
    """The number of halves in a file of resamples; None where it has none."""
    try:
        with open(path) as file:
            found = json.loads(file.readline())["found"]
        return len(found[0]["values"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def go_on(prepare):
    """Wrap the method that prepares the DAG: its settings, which have no name in a Snakefile, exist from then on."""

    def prepare_and_go_on(*arguments, **options):
        workflow.dag_settings.force_incomplete = True
        # Locally nothing is submitted, and this limit wakes the scheduler once more a second for every job that ended.
        if workflow.local_exec and workflow.scheduling_settings:
            workflow.scheduling_settings.max_jobs_per_timespan = None
        prepare(*arguments, **options)
        # Files in the settings would be targets beside those asked for.
        workflow._dag.forcefiles.update(lost())

    return prepare_and_go_on


if workflow.is_main_process:
    remove_stale_locks(Path(".snakemake"))
    workflow._prepare_dag = go_on(workflow._prepare_dag)
