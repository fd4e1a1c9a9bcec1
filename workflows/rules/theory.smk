"""Check the theory: one row per statement. Only on demand (snakemake theory), since it needs packages of its own.

No other rule asks for the ledger: a report takes the one that is there, and says which version of the code was checked.
"""


rule theory:
    input:
        checks=modules("theory_checks"),
        checked=[
            file
            for package in ("augmentations", "losses", "metrics")
            for file in modules(f"care_bench/{package}")
        ],
    output:
        report(
            LEDGER,
            caption="../report/theory.rst",
            category="Theory",
        ),
    log:
        "results/logs/theory.log",
    conda:
        "../envs/theory.yaml"
    params:
        folder=lambda wildcards, input: Path(input.checks[0]).parent,
    shell:
        "python -m pytest {params.folder:q} --ledger {output} -q -p no:cacheprovider > {log} 2>&1"
