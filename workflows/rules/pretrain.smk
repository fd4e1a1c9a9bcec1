"""Pretraining. A job trains its runs one after another and skips finished ones.

The files of a run are no outputs of a rule, so that snakemake never deletes a finished run.
"""


rule configure:
    output:
        f"{JOB}/runs.json",
    log:
        f"{LOGS}/jobs/{{job}}.configure.log",
    priority: 2
    conda:
        "../envs/data.yaml"
    params:
        runs=lambda wildcards: configurations(wildcards.job),
    shell:
        "printf '%s\\n' {params.runs:q} > {output} 2> {log}"


if RULES_FOR_CLAIMS:

    rule fix_claims:
        # Kept as it was before the first training, whatever happens to the rules later. If it comes later, it says so.
        output:
            update(FIXED_RULES),
        log:
            f"{LOGS}/fix_claims.log",
        localrule: True
        conda:
            "../envs/data.yaml"
        params:
            rules=RULES_FOR_CLAIMS,
            runs=RUNS,
        shell:
            "python -m care_bench keep-rules {params.rules:q} --runs {params.runs} --out {output:q} > {log} 2>&1"


rule pretrain:
    input:
        runs=f"{JOB}/runs.json",
        data=data_of_job,
        claims=ancient(FIXED_RULES),
    output:
        f"{JOB}/pretrained.json",
    log:
        f"{LOGS}/jobs/{{job}}.pretrain.log",
    priority: 1
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
