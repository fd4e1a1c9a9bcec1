"""Whole profiles as jobs of an executor without a shared file system: one pod or Batch job for each profile.

    snakemake --snakefile workflows/cloud.smk --workflow-profile workflows/profiles/kubernetes \
        --config profiles=[workflows/config/smoke.yaml,workflows/config/methods.yaml]

A job runs the workflow of this checkout on all its cores; its one output goes to the storage of --default-storage-provider.
The workflow itself cannot be spread over such an executor: the files of runs are no outputs of rules, so that snakemake never
deletes them, and storage plugins move outputs alone.

The profiles are files of the checkout, which is at /care_bench in the job's image. `work`: folder where a job works; on a
volume that outlives the job, such as that of a PersistentVolumeClaim, one that was preempted goes on where it was.
"""

import sys
from hashlib import sha256
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

HERE = Path(workflow.basedir).parent
CHECKOUT = HERE if (HERE / "Snakefile").exists() else Path("/care_bench")
GIVEN = config.get("profiles", ["workflows/config/smoke.yaml"])
GIVEN = [GIVEN] if isinstance(GIVEN, str) else GIVEN
PROFILES = {Path(path).stem: CHECKOUT / path for path in GIVEN}
if len(PROFILES) < len(GIVEN):
    raise WorkflowError(
        f"profiles = {', '.join(GIVEN)}: two files have the same name, and their archives would too; expected distinct names"
    )
if missing := [str(path) for path in PROFILES.values() if not path.is_file()]:
    raise WorkflowError(
        f"profiles = {', '.join(GIVEN)}: {missing[0]} is missing; expected files of the checkout"
    )


localrules:
    all,


rule all:
    input:
        expand("results/cloud/{name}.tar.gz", name=PROFILES),


rule profile:
    output:
        "results/cloud/{name}.tar.gz",
    log:
        "results/cloud/{name}.log",
    threads: 8
    params:
        python=sys.executable,
        snakefile=CHECKOUT / "Snakefile",
        profile=lambda wildcards: PROFILES[wildcards.name],
        # A profile that was changed is run again.
        content=lambda wildcards: sha256(
            PROFILES[wildcards.name].read_bytes()
        ).hexdigest(),
        work=lambda wildcards: f"{config.get('work', 'work')}/{wildcards.name}",
    shell:
        "(mkdir -p {params.work:q}"
        " && {params.python:q} -m snakemake --snakefile {params.snakefile:q} --configfile {params.profile:q} --directory {params.work:q}"
        " --cores {threads} --keep-going --show-failed-logs"
        " && tar -czf {output:q} -C {params.work:q}/results --anchored --exclude=./data --exclude=./raw .) > {log:q} 2>&1"
