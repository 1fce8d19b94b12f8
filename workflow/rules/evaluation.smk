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


if DECODED:

    rule decode_sets:
        input:
            images=rules.prepare.output.images,
            split=rules.split.output.split,
            sets=rules.sets.output,
            autoencoder=rules.autoencoder.output.model,
        output:
            DECODED,
        log:
            f"{LOGS}/decode-sets.log",
        params:
            journal=f"{RESULTS}/journal/decode-sets.jsonl",
            cohort=subpath(input.images, parent=True),
        # The features wait for it.
        priority: 1
        resources:
            gpu=0,
        shell:
            "synthcohort decode-sets --cohort {params.cohort} --split {input.split}"
            " --sets {input.sets} --autoencoder {input.autoencoder} --out {output}"
            " --threads {threads} --gpus {resources.gpu}"
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
    resources:
        gpu=0,
    shell:
        "synthcohort classifier --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --split {input.split} --out {output} --threads {threads}"
        " --gpus {resources.gpu}"
        " --journal {params.journal} 2>&1 | tee {log}"


# While the denoiser is trained.
rule features_ahead:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
    output:
        f"{RESULTS}/evaluation/features-ahead-{{extractor}}.npz",
    log:
        f"{LOGS}/features-ahead-{{extractor}}.log",
    params:
        journal=f"{RESULTS}/journal/features-ahead-{{extractor}}.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.evaluation),
    resources:
        gpu=0,
    shell:
        "synthcohort features-ahead --extractor {wildcards.extractor}"
        " --settings {params.settings:q} --seed {params.seed} --cohort {params.cohort}"
        " --split {input.split} --out {output} --threads {threads} --gpus {resources.gpu}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule features:
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
        samples=rules.gather.output,
        sets=rules.sets.output,
        decoded=DECODED,
        ahead=lambda wildcards: (
            f"{RESULTS}/evaluation/features-ahead-{wildcards.extractor}.npz"
            if extractors.module(wildcards.extractor).AHEAD
            else []
        ),
        models=lambda wildcards: paths_of(extractors.module(wildcards.extractor).MODELS),
    output:
        f"{RESULTS}/evaluation/features-{{extractor}}.npz",
    wildcard_constraints:
        extractor="[^-]+",
    log:
        f"{LOGS}/features-{{extractor}}.log",
    params:
        journal=f"{RESULTS}/journal/features-{{extractor}}.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.evaluation),
        decoded=DECODED_OPTION,
        ahead=lambda wildcards, input: f"--ahead {input.ahead}" if input.ahead else "",
        models=lambda wildcards: options_of(extractors.module(wildcards.extractor).MODELS),
    # Others wait for it.
    priority: 1
    resources:
        gpu=0,
    shell:
        "synthcohort features --extractor {wildcards.extractor} --settings {params.settings:q}"
        " --seed {params.seed} --cohort {params.cohort} --split {input.split}"
        " --samples {input.samples} --sets {input.sets} {params.decoded} {params.ahead}"
        " {params.models} --out {output}"
        " --threads {threads} --gpus {resources.gpu}"
        " --journal {params.journal} 2>&1 | tee {log}"


# One rule a job, because what a job writes is the results of all its metrics.
for job, measured in metrics.jobs(SYSTEM.evaluation).items():

    rule:
        name:
            f"evaluate_{job}"
        input:
            images=rules.prepare.output.images,
            split=rules.split.output.split,
            samples=rules.gather.output,
            sets=rules.sets.output,
            decoded=DECODED,
            features=f"{RESULTS}/evaluation/features-{job}.npz" if job in extractors.names() else [],
            beside=[f"{RESULTS}/evaluation/features-{of}.npz" for of in metrics.beside(measured)],
            models=paths_of(metrics.models(measured)),
        output:
            results=expand(f"{RESULTS}/evaluation/{{name}}.json", name=measured),
            arrays=expand(f"{RESULTS}/evaluation/{{name}}.npz", name=measured),
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
            beside=[
                f"--beside {RESULTS}/evaluation/features-{of}.npz"
                for of in metrics.beside(measured)
            ],
            decoded=DECODED_OPTION,
            models=options_of(metrics.models(measured)),
            out=subpath(output[0], parent=True),
        # The longest of all begins first, and the others fill the gaps.
        priority: 3 if job == "membership" else 0
        resources:
            gpu=0,
        shell:
            "synthcohort evaluate --metric {params.metrics} --settings {params.settings:q}"
            " --seed {params.seed} --cohort {params.cohort} --split {input.split}"
            " --samples {input.samples} --sets {input.sets} {params.decoded} {params.features}"
            " {params.beside} {params.models} --out {params.out} --threads {threads}"
            " --gpus {resources.gpu}"
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
        arrays=f"{RESULTS}/evaluation/guidance.npz",
    log:
        f"{LOGS}/guidance.log",
    params:
        journal=f"{RESULTS}/journal/guidance.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.evaluation),
        sampling=as_json(SYSTEM.sampling),
    resources:
        gpu=0,
    shell:
        "synthcohort guidance --settings {params.settings:q} --sampling {params.sampling:q}"
        " --seed {params.seed} --cohort {params.cohort} --split {input.split}"
        " --classifier {input.classifier} --autoencoder {input.autoencoder}"
        " --diffusion {input.diffusion} --out {output.result} --threads {threads}"
        " --gpus {resources.gpu}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule draw_evaluation:
    localrule: True
    input:
        results=expand(f"{RESULTS}/evaluation/{{name}}.json", name=DRAWN),
        arrays=expand(f"{RESULTS}/evaluation/{{name}}.npz", name=DRAWN),
    output:
        report(
            directory(f"{RESULTS}/figures/evaluation"),
            patterns=["{metric}.png"],
            category="5 Evaluation",
            caption="../captions/metric.rst",
        ),
    log:
        f"{LOGS}/draw-evaluation.log",
    params:
        journal=f"{RESULTS}/journal/draw-evaluation.jsonl",
        captions={name: captions()[name] for name in DRAWN},
    shell:
        "synthcohort draw-evaluation --results {input.results} --out {output}"
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
            caption="../captions/observer.rst",
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
