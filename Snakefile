# care_bench: pretrain CARE and its baselines, evaluate the frozen encoders, aggregate, and write the tables.
#
#   snakemake --cores all --use-conda                        the default profile, workflows/config/smoke.yaml
#   snakemake --cores all --configfile MY_PROFILE.yaml       another matrix of data sets, methods and seeds
#   snakemake --cores all --use-conda theory                 check the theory; the next report has its table
#
# Without --use-conda the jobs use the environment snakemake runs in, and check its versions themselves.

from snakemake.utils import min_version

min_version("9.0")

if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/workflows/config/smoke.yaml"


include: "workflows/rules/common.smk"
include: "workflows/rules/recovery.smk"
include: "workflows/rules/data.smk"
include: "workflows/rules/pretrain.smk"
include: "workflows/rules/evaluate.smk"
include: "workflows/rules/measure.smk"
include: "workflows/rules/illustrate.smk"
include: "workflows/rules/resample.smk"
include: "workflows/rules/report.smk"
include: "workflows/rules/theory.smk"


localrules:
    all,
    configure,
    evaluation_settings,
    resamples,
    resolved_profile,


rule all:
    input:
        rules.collect.output,
        rules.report_tables.output,
        rules.settings.output,
