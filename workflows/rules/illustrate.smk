"""What pictures of encoders need beside the records: one small file for each data set with a trained row."""

ILLUSTRATED = list(
    dict.fromkeys(
        run.dataset
        for runs in JOBS_OF_PROFILE.values()
        for run in runs
        if run.method.reference is None
    )
)


def jobs_of_dataset(wildcards):
    """The jobs that train a data set's runs."""
    return [job for job in JOBS_OF_PROFILE if dataset_of_job(job) == wildcards.dataset]


def threads_of_dataset(wildcards):
    """The CPU threads of the largest run of a data set, on one device."""
    return max(threads_of_job(job, devices=False) for job in jobs_of_dataset(wildcards))


rule illustrate:
    input:
        profile=RESOLVED,
        evaluated=lambda wildcards: [
            f"{JOBS}/{job}/evaluated.json" for job in jobs_of_dataset(wildcards)
        ],
        data="results/data/{dataset}/meta.json",
        settings=f"{JOBS}/{{dataset}}/evaluation.json",
    output:
        f"{JOBS}/{{dataset}}/illustrations.jsonl",
    log:
        f"{LOGS}/{{dataset}}/illustrate.log",
    conda:
        "../envs/train.yaml"
    threads: threads_of_dataset
    resources:
        gpu=gpus(1),
    params:
        runs=RUNS,
    shell:
        "python -m care_bench illustrate-runs {input.profile} --dataset {wildcards.dataset} --settings {input.settings} --runs {params.runs} --data results/data --out {output} > {log} 2>&1"
