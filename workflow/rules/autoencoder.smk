rule autoencoder:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        start=ancient(FIRST_WEIGHTS["autoencoder"]),
    output:
        model=directory(f"{RESULTS}/autoencoder"),
        history=f"{RESULTS}/training/autoencoder.json",
    log:
        f"{LOGS}/autoencoder.log",
    params:
        journal=f"{RESULTS}/journal/autoencoder.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        checkpoints=f"{RESULTS}/checkpoints",
        settings=as_json(SYSTEM.autoencoder),
        start=content_of(FIRST_WEIGHTS["autoencoder"]),
    threads: training_threads(workflow.resource_settings.cores)
    # What else could run waits until one core is left to it, beside the denoiser's training.
    priority: 4
    # Told by a profile; 0 is none, and no limit.
    resources:
        gpu=0,
        runtime=0,
    shell:
        "synthcohort autoencoder --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --out {output.model}"
        " --history {output.history} --checkpoints {params.checkpoints} --threads {threads}"
        " --gpus {resources.gpu}"
        " --processes {resources.gpu} --time-budget {resources.runtime}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule encode:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        model=rules.autoencoder.output.model,
    output:
        latents=directory(f"{RESULTS}/latents"),
        measured=f"{RESULTS}/evaluation/autoencoder.json",
        arrays=f"{RESULTS}/evaluation/autoencoder.npz",
    log:
        f"{LOGS}/encode.log",
    params:
        journal=f"{RESULTS}/journal/encode.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
    threads: 8
    priority: 4
    resources:
        gpu=0,
    shell:
        "synthcohort encode --seed {params.seed} --cohort {params.cohort} --split {input.split}"
        " --autoencoder {input.model} --out {output.latents} --measured {output.measured}"
        " --arrays {output.arrays} --threads {threads} --gpus {resources.gpu}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule draw_autoencoder:
    localrule: True
    input:
        history=rules.autoencoder.output.history,
        arrays=rules.encode.output.arrays,
    output:
        curve=report(
            f"{RESULTS}/figures/autoencoder-training.png",
            category="2 Autoencoder",
            caption="../captions/autoencoder-training.rst",
        ),
        reconstructions=report(
            f"{RESULTS}/figures/reconstructions.png",
            category="2 Autoencoder",
            caption="../captions/reconstructions.rst",
        ),
    log:
        f"{LOGS}/draw-autoencoder.log",
    params:
        journal=f"{RESULTS}/journal/draw-autoencoder.jsonl",
        figures=subpath(output.curve, parent=True),
        settings=as_json(SYSTEM.autoencoder),
    shell:
        "synthcohort draw-autoencoder --settings {params.settings:q} --history {input.history}"
        " --arrays {input.arrays} --figures {params.figures}"
        " --journal {params.journal} 2>&1 | tee {log}"
