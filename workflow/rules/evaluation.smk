rule sets:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        samples=SHARDS,
    output:
        f"{RESULTS}/evaluation/sets.json",
    log:
        f"{LOGS}/sets.log",
    params:
        journal=f"{RESULTS}/journal/sets.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.evaluation),
    shell:
        "synthcohort sets --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --samples {input.samples} --out {output}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule classifier:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
    output:
        directory(f"{RESULTS}/evaluation/classifier"),
    log:
        f"{LOGS}/classifier.log",
    params:
        journal=f"{RESULTS}/journal/classifier.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.evaluation),
    shell:
        "synthcohort classifier --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --out {output} --threads {threads}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule features:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        samples=SHARDS,
        sets=rules.sets.output,
        models=lambda wildcards: EXTRACTOR_MODELS[wildcards.extractor].values(),
    output:
        f"{RESULTS}/evaluation/features-{{extractor}}.npz",
    log:
        f"{LOGS}/features-{{extractor}}.log",
    params:
        journal=f"{RESULTS}/journal/features-{{extractor}}.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.evaluation),
        models=lambda wildcards: " ".join(
            f"--{name} {path}" for name, path in EXTRACTOR_MODELS[wildcards.extractor].items()
        ),
    # The longest jobs of the evaluation: started first, the others fill the gaps.
    priority: 1
    shell:
        "synthcohort features --extractor {wildcards.extractor} --settings {params.settings:q}"
        " --seed {params.seed} --cohort {params.cohort} --split {input.split}"
        " --samples {input.samples} --sets {input.sets} {params.models} --out {output}"
        " --threads {threads}"
        " --journal {params.journal} 2>&1 | tee {log}"


# One rule a metric: a caption's file name may not hold a wildcard.
for metric in METRICS:

    rule:
        name:
            f"evaluate_{metric}"
        input:
            images=rules.prepare.output.images,
            split=rules.split.output.split,
            samples=SHARDS,
            sets=rules.sets.output,
            features=features_of(metric),
        output:
            result=f"{RESULTS}/evaluation/{metric}.json",
            figure=report(
                f"{RESULTS}/figures/{metric}.png",
                category="5 Evaluation",
                caption=f"../report/{metric}.rst",
            ),
        log:
            f"{LOGS}/evaluate-{metric}.log",
        params:
            journal=f"{RESULTS}/journal/evaluate-{metric}.jsonl",
            seed=SYSTEM.seed,
            cohort=subpath(input.images, parent=True),
            settings=as_json(SYSTEM.evaluation),
            metric=metric,
            features=f"--features {features_of(metric)}" if features_of(metric) else "",
        shell:
            "synthcohort evaluate --metric {params.metric} --settings {params.settings:q}"
            " --seed {params.seed} --cohort {params.cohort} --split {input.split}"
            " --samples {input.samples} --sets {input.sets} {params.features}"
            " --out {output.result} --figure {output.figure} --threads {threads}"
            " --journal {params.journal} 2>&1 | tee {log}"


rule observer:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        samples=SHARDS,
    output:
        page=report(
            f"{RESULTS}/observer/index.html",
            category="5 Evaluation",
            caption="../report/observer.rst",
        ),
        key=f"{RESULTS}/observer/key.json",
    log:
        f"{LOGS}/observer.log",
    params:
        journal=f"{RESULTS}/journal/observer.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.observer),
        out=subpath(output.page, parent=True),
    shell:
        "synthcohort observer --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --samples {input.samples}"
        " --out {params.out}"
        " --journal {params.journal} 2>&1 | tee {log}"
