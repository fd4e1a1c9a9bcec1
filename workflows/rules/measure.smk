"""Measure encoders that were trained elsewhere, as those of runs are. A job skips encoders whose records are current."""


rule measure:
    input:
        encoders=f"{JOB}/runs.json",
        files=lambda wildcards: files_of_job(wildcards.job),
        data=data_of_job,
        settings=lambda wildcards: f"{JOBS}/{dataset_of_job(wildcards.job)}/evaluation.json",
    output:
        f"{JOB}/measured.json",
    log:
        f"{LOGS}/jobs/{{job}}.measure.log",
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        gpu=gpus(1),
    params:
        runs=RUNS,
        logs=LOGS,
    shell:
        "python -m care_bench measure-runs {input.encoders} --settings {input.settings} --runs {params.runs} --data results/data --logs {params.logs} --out {output} > {log} 2>&1"
