"""One pretraining job per run. It depends on the run's own configuration, so that changing one run repeats only it."""


rule configure:
    output:
        f"{RUN}/config.json",
    log:
        log_of_run("configure"),
    conda:
        "../envs/data.yaml"
    params:
        config=lambda wildcards: run_of(wildcards).model_dump_json(),
    shell:
        "printf '%s\\n' {params.config:q} > {output} 2> {log}"


rule pretrain:
    input:
        config=f"{RUN}/config.json",
        data="results/data/{dataset}/meta.json",
    output:
        encoder=f"{RUN}/encoder.safetensors",
        log=f"{RUN}/log.jsonl",
        summary=f"{RUN}/pretrain.json",
    log:
        log_of_run("pretrain"),
    conda:
        "../envs/train.yaml"
    threads:
        lambda wildcards: run_of(wildcards).training.threads
        * run_of(wildcards).training.devices
    resources:
        gpu=lambda wildcards: gpus(run_of(wildcards).training.devices),
    params:
        folder=subpath(input.config, parent=True),
    shell:
        "python -m care_bench pretrain {input.config} --data results/data --out {params.folder} > {log} 2>&1"
