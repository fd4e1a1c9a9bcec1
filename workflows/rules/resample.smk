"""Measure runs again on halves of the test samples: what the rules for claims compare. It needs no records."""


rule resample:
    input:
        runs=f"{JOB}/runs.json",
        pretrained=f"{JOB}/pretrained.json",
        data=data_of_job,
        settings=lambda wildcards: f"{JOBS}/{dataset_of_job(wildcards.job)}/evaluation.json",
        claims=FIXED_RULES,
    output:
        f"{JOB}/resamples.jsonl",
    log:
        f"{LOGS}/jobs/{{job}}.resample.log",
    conda:
        "../envs/train.yaml"
    threads: lambda wildcards: threads_of_job(wildcards.job, devices=False)
    resources:
        gpu=gpus(1),
    params:
        runs=RUNS,
        number=PROFILE.resamples,
    shell:
        "python -m care_bench resample-runs {input.runs} --rules {input.claims} --settings {input.settings} --runs {params.runs} --number {params.number} --data results/data --out {output} > {log} 2>&1"


rule resamples:
    input:
        RESAMPLES,
