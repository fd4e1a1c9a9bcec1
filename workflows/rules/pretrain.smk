"""Pretraining. A job trains its runs one after another and skips finished ones.

The files of a run are no outputs of a rule, so that snakemake never deletes a finished run.
"""


rule configure:
    output:
        f"{JOB}/runs.json",
    log:
        f"{LOGS}/jobs/{{job}}.configure.log",
    conda:
        "../envs/data.yaml"
    params:
        runs=lambda wildcards: configurations(wildcards.job),
    shell:
        "printf '%s\\n' {params.runs:q} > {output} 2> {log}"


rule pretrain:
    input:
        runs=f"{JOB}/runs.json",
        data=data_of_job,
    output:
        f"{JOB}/pretrained.json",
    log:
        f"{LOGS}/jobs/{{job}}.pretrain.log",
    conda:
        "../envs/train.yaml"
    threads: lambda wildcards: threads_of_job(wildcards.job)
    resources:
        gpu=lambda wildcards: gpus(devices_of_job(wildcards.job)),
    params:
        runs=RUNS,
        logs=LOGS,
    shell:
        "python -m care_bench pretrain-runs {input.runs} --runs {params.runs} --data results/data --logs {params.logs} --out {output} > {log} 2>&1"
