rule search:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        autoencoder=rules.autoencoder.output.model,
        latents=rules.encode.output.latents,
        samples=rules.gather.output,
    output:
        search=f"{RESULTS}/evaluation/search.json",
        pairs=report(
            f"{RESULTS}/figures/nearest-pairs.png",
            category="6 Audit",
            caption="../report/nearest-pairs.rst",
        ),
        distances=report(
            f"{RESULTS}/figures/distances.png",
            category="6 Audit",
            caption="../report/distances.rst",
        ),
    log:
        f"{LOGS}/search.log",
    params:
        journal=f"{RESULTS}/journal/search.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.audit),
    shell:
        "synthcohort search --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --latents {input.latents}"
        " --autoencoder {input.autoencoder} --samples {input.samples} --out {output.search}"
        " --pairs {output.pairs} --distances {output.distances} --threads {threads}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule audit:
    localrule: True
    input:
        search=rules.search.output.search,
        results=RESULT_FILES,
    output:
        audit=f"{RESULTS}/audit.json",
    log:
        f"{LOGS}/audit.log",
    params:
        journal=f"{RESULTS}/journal/audit.jsonl",
        settings=as_json(SYSTEM.audit),
    shell:
        "synthcohort audit --settings {params.settings:q} --search {input.search}"
        " --results {input.results} --out {output.audit}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule export:
    input:
        samples=rules.gather.output,
        audit=rules.audit.output.audit,
        results=RESULT_FILES,
        autoencoder=rules.autoencoder.output.model,
        diffusion=rules.diffusion.output.model,
        grid=rules.show_samples.output.samples,
        embedding=f"{RESULTS}/figures/embedding.png",
        distances=rules.search.output.distances,
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
        " --diffusion {input.diffusion} --grid {input.grid} --embedding {input.embedding}"
        " --distances {input.distances} --out {output}"
        " --journal {params.journal} 2>&1 | tee {log}"
