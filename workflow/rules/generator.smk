# Not after the export: a model whose audit failed is kept as well, and its card says so first.
rule model:
    localrule: True
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        autoencoder=rules.autoencoder.output.model,
        diffusion=rules.diffusion.output.model,
        audit=rules.audit.output.audit,
        results=RESULT_FILES,
    output:
        # The last file of the folder; were the folder the output, a file of Snakemake's would be
        # in what is handed on.
        f"{RESULTS}/model/model.json",
    log:
        f"{LOGS}/model.log",
    params:
        journal=f"{RESULTS}/journal/model.jsonl",
        system=as_json(SYSTEM),
        cohort=subpath(input.images, parent=True),
        folder=subpath(output[0], parent=True),
    # Before the export, which stops everything where it is refused.
    priority: 2
    shell:
        "synthcohort model --system {params.system:q} --cohort {params.cohort}"
        " --split {input.split} --autoencoder {input.autoencoder} --diffusion {input.diffusion}"
        " --audit {input.audit} --results {input.results} --out {params.folder}"
        " --journal {params.journal} 2>&1 | tee {log}"
