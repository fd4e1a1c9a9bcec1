"""Gather the records of all runs and write the tables."""


rule collect:
    input:
        evaluated=[f"{JOBS}/{job}/evaluated.json" for job in JOBS_OF_PROFILE],
        measured=[f"{JOBS}/{job}/measured.json" for job in IMPORTED_JOBS],
        illustrations=[
            f"{JOBS}/{dataset}/illustrations.jsonl" for dataset in illustrated()
        ],
        resamples=RESAMPLES,
        profile=RESOLVED,
        claims=FIXED_RULES,
    output:
        made=f"{JOBS}/collected.json",
        parquet=update(f"{COLLECTED}/records.parquet"),
        csv=update(
            report(
                f"{COLLECTED}/records.csv",
                caption="../report/records.rst",
                category="Records",
            )
        ),
        profile=update(f"{COLLECTED}/profile.json"),
    log:
        f"{LOGS}/collect.log",
    conda:
        "../envs/report.yaml"
    params:
        runs=RUNS,
        folder=subpath(output.parquet, parent=True),
        rules=[f"--rules {path}" for path in FIXED_RULES],
        illustrations=lambda wildcards, input: [
            f"--illustrations {path}" for path in input.illustrations
        ],
        resamples=[f"--resamples {path}" for path in RESAMPLES],
    shell:
        "python -m care_bench collect --profile {input.profile} --runs {params.runs} --out {params.folder} {params.rules} {params.illustrations} {params.resamples} > {log} 2>&1 && cp {params.folder}/MANIFEST.json {output.made}"


rule report_tables:
    input:
        records=f"{COLLECTED}/records.parquet",
        # Tables have data sets and variants in the order of the profile.
        profile=f"{COLLECTED}/profile.json",
        beside=beside_report,
    output:
        markdown=update(f"results/report/{PROFILE.name}/report.md"),
        html=update(
            report(
                f"results/report/{PROFILE.name}/index.html",
                caption="../report/tables.rst",
                category="Tables",
            )
        ),
        latex=update(f"results/report/{PROFILE.name}/report.tex"),
        csv=update(f"results/report/{PROFILE.name}/report.csv"),
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/report.yaml"
    params:
        folder=subpath(output.markdown, parent=True),
        collection=PROFILE.name,
    shell:
        "python -m care_bench report results --collection {params.collection} --out {params.folder} > {log} 2>&1"


rule resolved_profile:
    output:
        RESOLVED,
    log:
        f"{LOGS}/resolved_profile.log",
    conda:
        "../envs/data.yaml"
    params:
        profile=RESOLVED_PROFILE,
    shell:
        "printf '%s\\n' {params.profile:q} > {output} 2> {log}"


rule settings:
    input:
        profile=RESOLVED,
        # The reference of this checkout: another folder for results need not have one.
        reference=str(Path(workflow.basedir, "results/reference/paper_settings.csv")),
    output:
        markdown=update(f"results/settings/{PROFILE.name}/settings.md"),
        html=update(
            report(
                f"results/settings/{PROFILE.name}/settings.html",
                caption="../report/settings.rst",
                category="Settings",
            )
        ),
        csv=update(f"results/settings/{PROFILE.name}/settings.csv"),
    log:
        f"{LOGS}/settings.log",
    conda:
        "../envs/report.yaml"
    params:
        folder=subpath(output.markdown, parent=True),
        results=subpath(input.reference, ancestor=2),
    shell:
        "python -m care_bench settings {input.profile} --results {params.results:q} --out {params.folder} > {log} 2>&1"
