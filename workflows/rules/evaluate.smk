"""Measure frozen encoders, all of a data set under the same settings. A job skips runs whose records are current."""


rule evaluation_settings:
    output:
        f"{JOBS}/{{dataset}}/evaluation.json",
    log:
        f"{LOGS}/{{dataset}}/evaluation_settings.log",
    conda:
        "../envs/data.yaml"
    params:
        settings=lambda wildcards: evaluation_settings(wildcards.dataset),
    shell:
        "printf '%s\\n' {params.settings:q} > {output} 2> {log}"


rule evaluate:
    input:
        runs=f"{JOB}/runs.json",
        pretrained=f"{JOB}/pretrained.json",
        data=data_of_job,
        settings=lambda wildcards: f"{JOBS}/{dataset_of_job(wildcards.job)}/evaluation.json",
    output:
        f"{JOB}/evaluated.json",
    log:
        f"{LOGS}/jobs/{{job}}.evaluate.log",
    conda:
        "../envs/train.yaml"
    threads: lambda wildcards: threads_of_job(wildcards.job, devices=False)
    resources:
        gpu=gpus(1),
    params:
        runs=RUNS,
        logs=LOGS,
    shell:
        "python -m care_bench evaluate-runs {input.runs} --settings {input.settings} --runs {params.runs} --data results/data --logs {params.logs} --out {output} > {log} 2>&1"
