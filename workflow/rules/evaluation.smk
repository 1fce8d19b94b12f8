rule sets:
    localrule: True
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        samples=rules.gather.output,
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
        samples=rules.gather.output,
        sets=rules.sets.output,
        models=lambda wildcards: paths_of(extractors.module(wildcards.extractor).MODELS),
    output:
        f"{RESULTS}/evaluation/features-{{extractor}}.npz",
    log:
        f"{LOGS}/features-{{extractor}}.log",
    params:
        journal=f"{RESULTS}/journal/features-{{extractor}}.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.evaluation),
        models=lambda wildcards: options_of(extractors.module(wildcards.extractor).MODELS),
    # The longest jobs of the evaluation: started first, the others fill the gaps.
    priority: 1
    shell:
        "synthcohort features --extractor {wildcards.extractor} --settings {params.settings:q}"
        " --seed {params.seed} --cohort {params.cohort} --split {input.split}"
        " --samples {input.samples} --sets {input.sets} {params.models} --out {output}"
        " --threads {threads}"
        " --journal {params.journal} 2>&1 | tee {log}"


# One rule a job: a caption's file name may not hold a wildcard.
for job, measured in metrics.jobs(SYSTEM.evaluation).items():

    rule:
        name:
            f"evaluate_{job}"
        input:
            images=rules.prepare.output.images,
            split=rules.split.output.split,
            samples=rules.gather.output,
            sets=rules.sets.output,
            features=f"{RESULTS}/evaluation/features-{job}.npz" if job in extractors.names() else [],
            models=paths_of(metrics.models(measured)),
        output:
            results=expand(f"{RESULTS}/evaluation/{{name}}.json", name=measured),
            figures=[
                report(
                    f"{RESULTS}/figures/{name}.png",
                    category="5 Evaluation",
                    caption=f"../report/{name}.rst",
                )
                for name in measured
            ],
        log:
            f"{LOGS}/evaluate-{job}.log",
        params:
            journal=f"{RESULTS}/journal/evaluate-{job}.jsonl",
            seed=SYSTEM.seed,
            cohort=subpath(input.images, parent=True),
            settings=as_json(SYSTEM.evaluation),
            metrics=measured,
            features=f"--features {RESULTS}/evaluation/features-{job}.npz"
            if job in extractors.names()
            else "",
            models=options_of(metrics.models(measured)),
            out=f"{RESULTS}/evaluation",
            figures=f"{RESULTS}/figures",
        shell:
            "synthcohort evaluate --metric {params.metrics} --settings {params.settings:q}"
            " --seed {params.seed} --cohort {params.cohort} --split {input.split}"
            " --samples {input.samples} --sets {input.sets} {params.features} {params.models}"
            " --out {params.out} --figures {params.figures} --threads {threads}"
            " --journal {params.journal} 2>&1 | tee {log}"


rule guidance:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        classifier=rules.classifier.output,
        autoencoder=rules.autoencoder.output.model,
        diffusion=rules.diffusion.output.model,
    output:
        result=f"{RESULTS}/evaluation/guidance.json",
        figure=report(
            f"{RESULTS}/figures/guidance.png",
            category="5 Evaluation",
            caption="../report/guidance.rst",
        ),
    log:
        f"{LOGS}/guidance.log",
    params:
        journal=f"{RESULTS}/journal/guidance.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.evaluation),
        sampling=as_json(SYSTEM.sampling),
    shell:
        "synthcohort guidance --settings {params.settings:q} --sampling {params.sampling:q}"
        " --seed {params.seed} --cohort {params.cohort} --split {input.split}"
        " --classifier {input.classifier} --autoencoder {input.autoencoder}"
        " --diffusion {input.diffusion} --out {output.result} --figure {output.figure}"
        " --threads {threads}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule observer:
    localrule: True
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        samples=rules.gather.output,
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
