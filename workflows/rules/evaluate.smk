"""Measure frozen encoders: one file of records per run, under settings that all rows of a data set share."""


rule evaluation_settings:
    output:
        f"{FOLDER}/{{dataset}}/evaluation.json",
    log:
        f"{LOGS}/{{dataset}}/evaluation_settings.log",
    conda:
        "../envs/data.yaml"
    params:
        settings=lambda wildcards: PROFILE.measured(wildcards.dataset).model_dump_json(),
    shell:
        "printf '%s\\n' {params.settings:q} > {output} 2> {log}"


rule evaluate:
    input:
        summary=f"{RUN}/pretrain.json",
        encoder=f"{RUN}/encoder.safetensors",
        data="results/data/{dataset}/meta.json",
        settings=f"{FOLDER}/{{dataset}}/evaluation.json",
    output:
        f"{RUN}/records.jsonl",
    log:
        log_of_run("evaluate"),
    conda:
        "../envs/train.yaml"
    threads: lambda wildcards: run_of(wildcards).training.threads
    resources:
        gpu=gpus(1),
    params:
        folder=subpath(input.summary, parent=True),
    shell:
        "python -m care_bench evaluate {params.folder} --data results/data --settings {input.settings} --out {output} > {log} 2>&1"
