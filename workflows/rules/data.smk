"""Prepared data sets: memory-mapped arrays with checksums, shared by all profiles."""


rule prepare:
    output:
        "results/data/{dataset}/meta.json",
    log:
        f"{LOGS}/{{dataset}}/prepare.log",
    conda:
        "../envs/data.yaml"
    shell:
        "python -m care_bench prepare {wildcards.dataset} --data results/data > {log} 2>&1"
