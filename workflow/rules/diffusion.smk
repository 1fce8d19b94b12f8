rule diffusion:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        autoencoder=rules.autoencoder.output.model,
        latents=rules.encode.output.latents,
        start=ancient(FIRST_WEIGHTS["diffusion"]),
    output:
        model=directory(f"{RESULTS}/diffusion"),
        history=f"{RESULTS}/training/diffusion.json",
        snapshots=f"{RESULTS}/training/snapshots.npz",
    log:
        f"{LOGS}/diffusion.log",
    params:
        journal=f"{RESULTS}/journal/diffusion.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        checkpoints=f"{RESULTS}/checkpoints",
        settings=as_json(SYSTEM.diffusion),
        start=content_of(FIRST_WEIGHTS["diffusion"]),
    # One core is left to what does not wait for the denoiser; all else does.
    threads: training_threads(workflow.resource_settings.cores, beside=1)
    priority: 4
    # Told by a profile; 0 is none, and no limit.
    resources:
        gpu=0,
        runtime=0,
    shell:
        "synthcohort diffusion --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --latents {input.latents}"
        " --autoencoder {input.autoencoder} --out {output.model}"
        " --history {output.history} --snapshots {output.snapshots}"
        " --checkpoints {params.checkpoints} --threads {threads} --gpus {resources.gpu}"
        " --processes {resources.gpu} --time-budget {resources.runtime}"
        " --journal {params.journal} 2>&1 | tee {log}"


# On the CPU: a handful of images, and the GPUs have the samples to draw meanwhile.
rule draw_diffusion:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        autoencoder=rules.autoencoder.output.model,
        latents=rules.encode.output.latents,
        diffusion=rules.diffusion.output.model,
        history=rules.diffusion.output.history,
        snapshots=rules.diffusion.output.snapshots,
    output:
        curve=report(
            f"{RESULTS}/figures/diffusion-training.png",
            category="3 Diffusion",
            caption="../captions/diffusion-training.rst",
        ),
        noising=report(
            f"{RESULTS}/figures/noising.png",
            category="3 Diffusion",
            caption="../captions/noising.rst",
        ),
        denoising=report(
            f"{RESULTS}/figures/denoising.png",
            category="3 Diffusion",
            caption="../captions/denoising.rst",
        ),
        animation=report(
            f"{RESULTS}/figures/denoising.gif",
            category="3 Diffusion",
            caption="../captions/denoising.rst",
        ),
        snapshots=report(
            f"{RESULTS}/figures/snapshots.png",
            category="3 Diffusion",
            caption="../captions/snapshots.rst",
        ),
    log:
        f"{LOGS}/draw-diffusion.log",
    params:
        journal=f"{RESULTS}/journal/draw-diffusion.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        figures=subpath(output.curve, parent=True),
    threads: 4
    shell:
        "synthcohort draw-diffusion --seed {params.seed} --cohort {params.cohort}"
        " --split {input.split} --latents {input.latents} --autoencoder {input.autoencoder}"
        " --diffusion {input.diffusion} --history {input.history} --snapshots {input.snapshots}"
        " --figures {params.figures} --device cpu --threads {threads}"
        " --journal {params.journal} 2>&1 | tee {log}"
