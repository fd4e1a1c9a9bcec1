"""The matrix of runs, resolved once from the profile, and what the rules need to know of a run."""

import json
import os
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import update_config

# The package of this checkout, whether or not one is installed.
sys.path.insert(0, str(Path(workflow.basedir).resolve()))

from care_bench.config.offered_claims import rules_for  # noqa: E402
from care_bench.config import parse_profile, read_yaml, parse_scalars  # noqa: E402
from care_bench.errors import CareBenchError  # noqa: E402
from care_bench.artifacts.environment import known_gpus  # noqa: E402


def configuration():
    """The configuration from files and command line, merged in snakemake's order.

    It is read again because snakemake itself takes 1e-6, and the 0 in seeds=[0], for strings.
    """
    given = workflow.overwrite_configfiles
    content = {}
    for path in [*(path for path in workflow.configfiles if path not in given), *given]:
        update_config(content, read_yaml(Path(path)))
    update_config(content, parse_scalars(workflow.config_settings.config))
    return content


try:
    PROFILE = parse_profile(configuration(), "profile")
    FOUND_RULES = rules_for(
        PROFILE.name, (Path("results"), Path(workflow.basedir, "results"))
    )
    RULES_FOR_CLAIMS = [str(FOUND_RULES.absolute())] if FOUND_RULES else []
    JOBS_OF_PROFILE = PROFILE.jobs()
    IMPORTED_JOBS = PROFILE.imported_jobs()
    ALL_JOBS = JOBS_OF_PROFILE | IMPORTED_JOBS
except CareBenchError as error:
    raise WorkflowError(str(error)) from None

if provider := workflow.storage_settings.default_storage_provider:
    raise WorkflowError(
        f"--default-storage-provider {provider}: the files of runs are no outputs of rules, so that snakemake never "
        "deletes them, and a storage provider moves outputs alone; expected a file system that all jobs share, or "
        "workflows/cloud.smk"
    )

# With conda, `python` is that of the job's environment, which has not this package; without, it has to be the one that
# snakemake runs in.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    if not (shutil.which("conda") or "BASH_FUNC_conda%%" in os.environ):
        raise WorkflowError(
            "--use-conda (software-deployment-method: conda) needs the command conda, 24.7.1 or newer, and there is "
            "none in the PATH; install Miniforge or activate it, or leave out the option: jobs then use the "
            "environment of snakemake"
        )
    shell.prefix(
        f"export PYTHONPATH={shlex.quote(str(Path(workflow.basedir).resolve()))}:$PYTHONPATH; "
    )
else:
    shell.prefix(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")

LOGS = f"results/logs/{PROFILE.name}"
RUNS = f"results/runs/{PROFILE.name}"
JOBS = f"results/jobs/{PROFILE.name}"
JOB = f"{JOBS}/{{job}}"
COLLECTED = f"results/collected/{PROFILE.name}"
LEDGER = "results/theory/ledger.jsonl"
RESOLVED = f"{JOBS}/profile.json"
RESOLVED_PROFILE = PROFILE.model_dump_json()
FIXED_RULES = [f"{JOBS}/claims.yaml"] if RULES_FOR_CLAIMS else []
RESAMPLES = [
    f"{JOBS}/{job}/resamples.jsonl"
    for job in JOBS_OF_PROFILE
    if RULES_FOR_CLAIMS and PROFILE.resamples
]

# Local jobs take turns on the GPUs, since every job sees all of them; a cluster's job asks for as many as it uses.
GPU = min(1, known_gpus())
if GPU and workflow.local_exec and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", GPU)


wildcard_constraints:
    dataset="[^/]+",
    job="[^/]+/.+",


@cache
def configurations(job):
    """The runs or imported encoders of a job, as the JSON that the commands read."""
    runs = ALL_JOBS[job]
    return json.dumps([run.model_dump(mode="json") for run in runs])


def evaluation_settings(dataset):
    """How encoders on a data set are measured, as the JSON that the commands read."""
    return PROFILE.measured(dataset).model_dump_json()


def dataset_of_job(job):
    """The data set of a job's runs or imported encoders."""
    return ALL_JOBS[job][0].dataset


def jobs_of_dataset(wildcards):
    """The jobs that train the runs of a data set."""
    return [job for job in JOBS_OF_PROFILE if dataset_of_job(job) == wildcards.dataset]


def files_of_job(job):
    """The files of a job's encoders: their weights, and the Python files that build them."""
    found = (one.imported.files for one in IMPORTED_JOBS[job])
    return sorted({str(path) for paths in found for path in paths})


def data_of_job(wildcards):
    """The prepared data set that a job needs."""
    return f"results/data/{dataset_of_job(wildcards.job)}/meta.json"


def devices_of_job(job):
    """The devices of the largest run of a job."""
    return max(run.training.devices for run in JOBS_OF_PROFILE[job])


def threads_of_job(job, devices=True):
    """The CPU threads of the largest run of a job, on all of its devices or on one."""
    runs = (run.training for run in JOBS_OF_PROFILE[job])
    return max(run.threads * (run.devices if devices else 1) for run in runs)


def threads_of_dataset(wildcards):
    """The CPU threads of the largest run of a data set, on one device."""
    return max(threads_of_job(job, devices=False) for job in jobs_of_dataset(wildcards))


def illustrated():
    """The data sets of which a row is trained."""
    runs = (run for part in JOBS_OF_PROFILE.values() for run in part)
    trained = (run.dataset for run in runs if run.method.reference is None)
    return list(dict.fromkeys(trained))


def gpus(devices):
    """The GPUs that a job on so many devices asks for."""
    return GPU if workflow.local_exec else devices


def modules(folder):
    """The Python files of a folder of this checkout, and of those in it."""
    return sorted(str(path) for path in Path(workflow.basedir, folder).rglob("*.py"))


def content(path):
    """A JSON object; empty where there is no such file."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def beside_report(wildcards):
    """What a report reads beside the collection, where it is there: theory checks, the paper's values, rules, and pins.

    Paths are absolute, so that snakemake does not take the ledger for the output of the theory checks and run these:
    their packages may be missing.
    """
    files = [Path(LEDGER), Path("results/reference/table1.csv")]
    found = [path for path in files if path.exists()]
    if rules := rules_for(PROFILE.name, [Path("results")]):
        found.append(rules)
    for manifest in sorted(Path("results/pinned").glob("*/MANIFEST.json")):
        about = content(manifest).get("about")
        if isinstance(about, dict) and about.get("profile") == PROFILE.name:
            found.append(manifest)
    return [str(path.absolute()) for path in found]
