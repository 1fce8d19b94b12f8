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
    output:
        directory(f"{RESULTS}/export"),
    log:
        f"{LOGS}/export.log",
    params:
        journal=f"{RESULTS}/journal/export.jsonl",
        system=as_json(SYSTEM),
    shell:
        "synthcohort export --system {params.system:q} --samples {input.samples}"
        " --audit {input.audit} --results {input.results} --autoencoder {input.autoencoder}"
        " --diffusion {input.diffusion} --grid {input.grid} --embedding {input.drawn}/embedding.png"
        " --distances {input.distances} --out {output}"
        " --journal {params.journal} 2>&1 | tee {log}"
