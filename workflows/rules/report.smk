"""Gather the records of all runs and write the tables."""


rule collect:
    input:
        of_every_run("records.jsonl"),
    output:
        parquet=f"results/collected/{PROFILE.name}/records.parquet",
        csv=report(
            f"results/collected/{PROFILE.name}/records.csv",
            caption="../report/records.rst",
            category="Records",
        ),
    log:
        f"{LOGS}/collect.log",
    conda:
        "../envs/report.yaml"
    params:
        folder=subpath(output.parquet, parent=True),
    shell:
        "python -m care_bench collect {input} --out {params.folder} > {log} 2>&1"


rule report_tables:
    input:
        records=f"results/collected/{PROFILE.name}/records.parquet",
        # Of it the tables have their order.
        profile=RESOLVED,
        # The theory stands in the report as it was checked last. Whole, the path is no output of a rule: tables never
        # check it anew, for which their environment may lack the packages.
        theory=lambda wildcards: (
            [str(Path(LEDGER).absolute())] if Path(LEDGER).exists() else []
        ),
    output:
        markdown=f"results/report/{PROFILE.name}/report.md",
        html=report(
            f"results/report/{PROFILE.name}/report.html",
            caption="../report/tables.rst",
            category="Tables",
        ),
        latex=f"results/report/{PROFILE.name}/report.tex",
        csv=f"results/report/{PROFILE.name}/report.csv",
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
        profile=PROFILE.model_dump_json(),
    shell:
        "printf '%s\\n' {params.profile:q} > {output} 2> {log}"


rule settings:
    input:
        profile=RESOLVED,
        # Of this checkout, like the package: a folder of one's own for results need not have it.
        reference=str(Path(workflow.basedir, "results/reference/paper_settings.csv")),
    output:
        markdown=f"results/report/{PROFILE.name}/settings.md",
        html=report(
            f"results/report/{PROFILE.name}/settings.html",
            caption="../report/settings.rst",
            category="Settings",
        ),
        csv=f"results/report/{PROFILE.name}/settings.csv",
    log:
        f"{LOGS}/settings.log",
    conda:
        "../envs/report.yaml"
    params:
        folder=subpath(output.markdown, parent=True),
        results=subpath(input.reference, ancestor=2),
    shell:
        "python -m care_bench settings {input.profile} --results {params.results:q} --out {params.folder} > {log} 2>&1"
