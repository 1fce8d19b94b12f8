rule sample:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        autoencoder=rules.autoencoder.output.model,
        diffusion=rules.diffusion.output.model,
    output:
        f"{RESULTS}/samples/part-{{part}}.txt",
    log:
        f"{LOGS}/sample-{{part}}.log",
    params:
        journal=f"{RESULTS}/journal/sample-{{part}}.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.sampling),
        parts=PARTS,
    resources:
        gpu=0,
    shell:
        "synthcohort sample --settings {params.settings:q} --seed {params.seed}"
        " --part {wildcards.part} --parts {params.parts} --cohort {params.cohort} --split {input.split}"
        " --autoencoder {input.autoencoder} --diffusion {input.diffusion} --out {output}"
        " --threads {threads} --gpus {resources.gpu} --processes {resources.gpu}"
        " --journal {params.journal} 2>&1 | tee {log}"


# What comes later depends on the table alone: two thousand shards would make its command line too
# long and, as the input of every rule, Snakemake slow.
rule gather:
    input:
        expand(f"{RESULTS}/samples/part-{{k:05d}}.txt", k=range(PARTS)),
    output:
        f"{RESULTS}/samples/shards.csv",
    log:
        f"{LOGS}/gather.log",
    params:
        journal=f"{RESULTS}/journal/gather.jsonl",
        folder=subpath(output[0], parent=True),
        shards=SHARDS,
    shell:
        "synthcohort gather --shards {params.shards} --folder {params.folder} --out {output}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule show_samples:
    localrule: True
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        samples=rules.gather.output,
    output:
        samples=report(
            f"{RESULTS}/figures/samples.png",
            category="4 Samples",
            caption="../captions/samples.rst",
        ),
        comparison=report(
            f"{RESULTS}/figures/real-and-synthetic.png",
            category="4 Samples",
            caption="../captions/real-and-synthetic.rst",
        ),
    log:
        f"{LOGS}/show_samples.log",
    params:
        journal=f"{RESULTS}/journal/show-samples.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
    shell:
        "synthcohort show-samples --seed {params.seed} --cohort {params.cohort}"
        " --split {input.split} --samples {input.samples} --figure {output.samples}"
        " --comparison {output.comparison}"
        " --journal {params.journal} 2>&1 | tee {log}"
