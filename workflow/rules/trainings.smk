# The diffusion model trained again with other seeds (training_seeds), to see how much the headline
# figures vary from training to training. The first training gives the dataset.
AGAIN = f"{RESULTS}/trainings/{{training}}"


use rule diffusion as train_again with:
    output:
        model=directory(f"{AGAIN}/diffusion"),
        history=f"{AGAIN}/training/diffusion.json",
        snapshots=f"{AGAIN}/training/snapshots.npz",
    log:
        f"{LOGS}/diffusion-{{training}}.log",
    params:
        journal=f"{RESULTS}/journal/diffusion-{{training}}.jsonl",
        seed=lambda wildcards: derive(SYSTEM.seed, "training", wildcards.training),
        checkpoints=f"{AGAIN}/checkpoints",
    # What is known of the dataset comes first.
    priority: -1


rule measure_again:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        samples=rules.gather.output,
        sets=rules.sets.output,
        features=expand(
            f"{RESULTS}/evaluation/features-{{extractor}}.npz",
            extractor=["inception", "classifier"],
        ),
        classifier=rules.classifier.output,
        autoencoder=rules.autoencoder.output.model,
        latents=rules.encode.output.latents,
        diffusion=rules.train_again.output.model,
    output:
        results=f"{AGAIN}/results.json",
        drawn=f"{AGAIN}/samples.npz",
    log:
        f"{LOGS}/training-{{training}}.log",
    params:
        journal=f"{RESULTS}/journal/training-{{training}}.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.evaluation),
        sampling=as_json(SYSTEM.sampling),
    resources:
        gpu=0,
    shell:
        "synthcohort measure-again --training {wildcards.training}"
        " --settings {params.settings:q} --sampling {params.sampling:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --samples {input.samples}"
        " --sets {input.sets} --features {input.features} --classifier {input.classifier}"
        " --autoencoder {input.autoencoder} --latents {input.latents}"
        " --diffusion {input.diffusion} --drawn {output.drawn} --out {output.results}"
        " --threads {threads} --gpus {resources.gpu}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule training_seeds:
    localrule: True
    input:
        first=expand(
            f"{RESULTS}/evaluation/{{name}}.json",
            name=dict.fromkeys(name.split(".")[0] for name in training_seeds.FIGURES),
        ),
        again=expand(rules.measure_again.output.results, training=range(2, SYSTEM.training_seeds + 1)),
    output:
        result=f"{RESULTS}/evaluation/training_seeds.json",
        arrays=f"{RESULTS}/evaluation/training_seeds.npz",
    log:
        f"{LOGS}/training_seeds.log",
    params:
        journal=f"{RESULTS}/journal/training_seeds.jsonl",
    shell:
        "synthcohort training-seeds --first {input.first} --again {input.again}"
        " --out {output.result} --journal {params.journal} 2>&1 | tee {log}"
