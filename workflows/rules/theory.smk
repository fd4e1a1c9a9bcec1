"""Check the theory: one row per statement. Only on demand (snakemake theory), since it needs packages of its own.

No other rule needs the ledger: a report uses an existing one, and names the version of the code that was checked.
Checks that fail are a result too: the ledger says which statement is violated, so it is kept, and `theory` fails.
"""


rule theory:
    input:
        LEDGER,
    log:
        "results/logs/theory.verdict.log",
    localrule: True
    conda:
        "../envs/theory.yaml"
    params:
        script=Path(workflow.basedir, "theory_checks/verdict.py"),
    shell:
        "python -P {params.script:q} {input} 2> {log} || {{ cat {log} >&2; exit 1; }}"


rule theory_ledger:
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
        made=f"{LEDGER}.new",
        script=Path(workflow.basedir, "theory_checks/verdict.py"),
    # pytest ends with 1 where checks fail, and so does Python where it finds no pytest: a new ledger tells them apart.
    # A ledger in which nothing failed does not say what did, such as a control: then the rule fails.
    shell:
        "rm -f {params.made} && "
        "{{ python -m pytest {params.folder:q} --ledger {params.made} -q -p no:cacheprovider > {log} 2>&1 || "
        "{{ [ $? -eq 1 ] && ! python -P {params.script:q} {params.made} >> {log} 2>&1; }}; }} && "
        "mv {params.made} {output} 2>> {log}"
