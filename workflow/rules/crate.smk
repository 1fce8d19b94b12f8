# The files that Snakemake has read, wherever they lie.
SNAKEFILE = workflow.source_path("../Snakefile")
INCLUDED = re.findall(r'^include: "(.+)"', Path(SNAKEFILE).read_text(), re.MULTILINE)
WORKFLOW = [SNAKEFILE, *(workflow.source_path(f"../{name}") for name in INCLUDED)]


rule crate:
    localrule: True
    input:
        sums=rules.export.output.sums,
        report=rules.report_page.output,
        workflow=WORKFLOW,
    output:
        metadata=f"{RESULTS}/crate/ro-crate-metadata.json",
    log:
        f"{LOGS}/crate.log",
    params:
        system=as_json(SYSTEM),
        journals=f"{RESULTS}/journal/*.jsonl",
        export=subpath(input.sums, parent=True),
        out=subpath(output.metadata, parent=True),
    shell:
        "synthcohort crate --system {params.system:q} --workflow {input.workflow:q}"
        " --export {params.export} --journals {params.journals} --out {params.out} 2>&1 | tee {log}"
