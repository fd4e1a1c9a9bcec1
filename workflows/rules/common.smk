"""The matrix of runs, resolved once from the profile; everything a rule needs to know of a run comes from here."""

import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import update_config

# The package of this checkout, whether or not one is installed.
sys.path.insert(0, str(Path(workflow.basedir).resolve()))

from care_bench.config import parse_profile, read_yaml, with_types  # noqa: E402
from care_bench.errors import CareBenchError  # noqa: E402
from care_bench.machine import nvidia_gpus  # noqa: E402


def configuration():
    """What files and command line configure, in snakemake's order, which itself takes 1e-6 and seeds=[0] for texts."""
    given = workflow.overwrite_configfiles
    content = {}
    for path in [*(path for path in workflow.configfiles if path not in given), *given]:
        update_config(content, read_yaml(Path(path)))
    update_config(content, with_types(workflow.config_settings.config))
    return content


try:
    PROFILE = parse_profile(configuration(), "profile")
    RUNS = {run.id: run for run in PROFILE.runs()}
except CareBenchError as error:
    raise WorkflowError(str(error)) from None

# In a conda environment `python` is the environment's own; without one it has to be the one that snakemake runs in.
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    shell.prefix(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")

LOGS = f"results/logs/{PROFILE.name}"
FOLDER = f"results/runs/{PROFILE.name}"
LEDGER = "results/theory/ledger.jsonl"
RESOLVED = f"results/collected/{PROFILE.name}/profile.json"
RUN = f"{FOLDER}/{{dataset}}/{{variant}}/seed{{seed}}"

# Local jobs take turns on the GPUs, since every job sees all of them; a cluster's job asks for as many as it uses.
GPU = min(1, nvidia_gpus())
if GPU and workflow.local_exec and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", GPU)


wildcard_constraints:
    dataset="[^/]+",
    variant="[^/]+",
    seed=r"\d+",


def run_of(wildcards):
    """The full configuration of the run that the wildcards name."""
    return RUNS[f"{wildcards.dataset}/{wildcards.variant}/seed{wildcards.seed}"]


def gpus(devices):
    """The GPUs that a job with so many devices asks for."""
    return GPU if workflow.local_exec else devices


def of_every_run(file):
    """This file of every run in the profile."""
    return [f"{FOLDER}/{run}/{file}" for run in RUNS]


def modules(folder):
    """The Python files of a folder of this checkout."""
    return sorted(str(path) for path in Path(workflow.basedir, folder).glob("*.py"))


def log_of_run(stage):
    """The log of a stage of a run."""
    return f"{LOGS}/{{dataset}}/{{variant}}/seed{{seed}}.{stage}.log"
