include: "workflow/Snakefile"


# Snakemake takes its default target from this file alone, not from one it includes.
rule default:
    default_target: True
    input:
        rules.all.input,
