"""Check the theory: one row per statement. Only on demand (snakemake theory), since it needs packages of its own.

No other rule needs the ledger: a report uses an existing one, and names the version of the code that was checked.
"""


rule theory:
    input:
        checks=modules("theory_checks"),
        checked=[
            file
            for package in ("augmentations", "data", "losses", "metrics", "models")
            for file in modules(f"care_bench/{package}")
        ],
    output:
        update(
            report(
                LEDGER,
                caption="../report/theory.rst",
                category="Theory",
            )
        ),
    log:
        "results/logs/theory.log",
    conda:
        "../envs/theory.yaml"
    params:
        folder=lambda wildcards, input: Path(input.checks[0]).parent,
    shell:
        "python -m pytest {params.folder:q} --ledger {output} -q -p no:cacheprovider > {log} 2>&1"
