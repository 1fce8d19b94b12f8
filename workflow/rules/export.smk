rule export:
    input:
        samples=rules.gather.output,
        audit=rules.audit.output.audit,
        results=RESULT_FILES,
        autoencoder=rules.autoencoder.output.model,
        diffusion=rules.diffusion.output.model,
        grid=rules.show_samples.output.samples,
        drawn=rules.draw_evaluation.output,
        distances=rules.draw_audit.output.distances,
    # Files and not directory(), in which Snakemake leaves one of its own. Whatever else is in the
    # folder, the command removes it first.
    output:
        card=f"{RESULTS}/export/README.md",
        sums=f"{RESULTS}/export/SHA256SUMS",
    log:
        f"{LOGS}/export.log",
    params:
        journal=f"{RESULTS}/journal/export.jsonl",
        system=as_json(SYSTEM),
        folder=subpath(output.card, parent=True),
    shell:
        "synthcohort export --system {params.system:q} --samples {input.samples}"
        " --audit {input.audit} --results {input.results} --autoencoder {input.autoencoder}"
        " --diffusion {input.diffusion} --grid {input.grid} --embedding {input.drawn}/embedding.png"
        " --distances {input.distances} --out {params.folder}"
        " --journal {params.journal} 2>&1 | tee {log}"
