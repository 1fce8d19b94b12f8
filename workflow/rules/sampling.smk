rule sample:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        autoencoder=rules.autoencoder.output.model,
        diffusion=rules.diffusion.output.model,
    output:
        f"{RESULTS}/samples/shard-{{shard}}.npz",
    log:
        f"{LOGS}/sample-{{shard}}.log",
    params:
        settings=as_json(SYSTEM.sampling),
    shell:
        "synthcohort sample --settings {params.settings:q} --seed {SYSTEM.seed}"
        " --shard {wildcards.shard} --cohort {RESULTS}/cohort --split {input.split}"
        " --autoencoder {input.autoencoder} --diffusion {input.diffusion} --out {output}"
        " --threads {threads}"
        " --journal {RESULTS}/journal/sample-{wildcards.shard}.jsonl 2>&1 | tee {log}"


rule show_samples:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        samples=SHARDS,
    output:
        samples=report(
            f"{RESULTS}/figures/samples.png",
            category="4 Samples",
            caption="../report/samples.rst",
        ),
        comparison=report(
            f"{RESULTS}/figures/real-and-synthetic.png",
            category="4 Samples",
            caption="../report/real-and-synthetic.rst",
        ),
    log:
        f"{LOGS}/show_samples.log",
    shell:
        "synthcohort show-samples --seed {SYSTEM.seed} --cohort {RESULTS}/cohort"
        " --split {input.split} --samples {input.samples} --figure {output.samples}"
        " --comparison {output.comparison}"
        " --journal {RESULTS}/journal/show-samples.jsonl 2>&1 | tee {log}"
