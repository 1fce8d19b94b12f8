rule calibrate:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        autoencoder=rules.autoencoder.output.model,
        latents=rules.encode.output.latents,
    output:
        directory(f"{RESULTS}/evaluation/calibration"),
    log:
        f"{LOGS}/calibrate.log",
    params:
        journal=f"{RESULTS}/journal/calibrate.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.audit),
    resources:
        gpu=0,
    shell:
        "synthcohort calibrate --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --latents {input.latents}"
        " --autoencoder {input.autoencoder} --out {output} --threads {threads}"
        " --gpus {resources.gpu}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule search:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        autoencoder=rules.autoencoder.output.model,
        latents=rules.encode.output.latents,
        calibration=rules.calibrate.output,
        samples=rules.gather.output,
    output:
        search=f"{RESULTS}/evaluation/search.json",
        arrays=f"{RESULTS}/evaluation/search.npz",
    log:
        f"{LOGS}/search.log",
    params:
        journal=f"{RESULTS}/journal/search.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.audit),
    # After membership the longest job behind the samples.
    priority: 2
    resources:
        gpu=0,
    shell:
        "synthcohort search --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --latents {input.latents}"
        " --autoencoder {input.autoencoder} --calibration {input.calibration}"
        " --samples {input.samples} --out {output.search} --arrays {output.arrays}"
        " --threads {threads} --gpus {resources.gpu}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule draw_audit:
    localrule: True
    input:
        search=rules.search.output.search,
        arrays=rules.search.output.arrays,
    output:
        pairs=report(
            f"{RESULTS}/figures/nearest-pairs.png",
            category="6 Audit",
            caption="../captions/nearest-pairs.rst",
        ),
        distances=report(
            f"{RESULTS}/figures/distances.png",
            category="6 Audit",
            caption="../captions/distances.rst",
        ),
        planted=report(
            f"{RESULTS}/figures/planted.png",
            category="6 Audit",
            caption="../captions/planted.rst",
        ),
    log:
        f"{LOGS}/draw-audit.log",
    params:
        journal=f"{RESULTS}/journal/draw-audit.jsonl",
    shell:
        "synthcohort draw-audit --search {input.search} --arrays {input.arrays}"
        " --pairs {output.pairs} --distances {output.distances} --planted {output.planted}"
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
