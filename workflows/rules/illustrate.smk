"""What pictures of encoders need beside the records: one small file for each data set with a trained row."""


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
