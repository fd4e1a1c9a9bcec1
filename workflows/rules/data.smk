"""Prepared data sets: memory-mapped arrays with checksums, shared by all profiles."""


rule prepare:
    output:
        update("results/data/{dataset}/meta.json"),
    log:
        f"{LOGS}/{{dataset}}/prepare.log",
    priority: 2
    conda:
        "../envs/data.yaml"
    params:
        raw=PROFILE.raw,
        broken="--skip-broken" if PROFILE.skip_broken else "",
    shell:
        "python -m care_bench prepare {wildcards.dataset} --data results/data --raw {params.raw:q} {params.broken} > {log} 2>&1"
