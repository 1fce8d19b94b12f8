if FETCHES:

    rule fetch:
        localrule: True
        output:
            directory(f"{RESULTS}/raw"),
        log:
            f"{LOGS}/fetch.log",
        params:
            journal=f"{RESULTS}/journal/fetch.jsonl",
            seed=SYSTEM.seed,
            settings=as_json(SYSTEM.source),
        shell:
            "synthcohort fetch --settings {params.settings:q} --seed {params.seed} --out {output}"
            " --journal {params.journal} 2>&1 | tee {log}"


rule prepare:
    input:
        f"{RESULTS}/raw" if FETCHES else [],
    output:
        images=f"{RESULTS}/cohort/images.npy",
        manifest=f"{RESULTS}/cohort/manifest.csv",
    log:
        f"{LOGS}/prepare.log",
    params:
        journal=f"{RESULTS}/journal/prepare.jsonl",
        cohort=subpath(output.images, parent=True),
        source=as_json(SYSTEM.source),
        settings=as_json(SYSTEM.prepare),
        root=f"--root {SOURCE_ROOT}" if SOURCE_ROOT else "",
    shell:
        "synthcohort prepare --source {params.source:q} --settings {params.settings:q}"
        " {params.root} --out {params.cohort}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule split:
    input:
        images=rules.prepare.output.images,
        manifest=rules.prepare.output.manifest,
    output:
        split=f"{RESULTS}/cohort/split.csv",
        leakage=f"{RESULTS}/cohort/leakage.json",
    log:
        f"{LOGS}/split.log",
    # No outputs, which Snakemake deletes where the run stops: one is told to look at them then.
    params:
        pairs=f"{RESULTS}/cohort/near_duplicates.csv",
        drawn=f"{RESULTS}/figures/near-duplicates.png",
        journal=f"{RESULTS}/journal/split.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
        settings=as_json(SYSTEM.split),
    threads: 8
    shell:
        "synthcohort split --settings {params.settings:q} --seed {params.seed}"
        " --cohort {params.cohort} --out {output.split} --leakage {output.leakage}"
        " --pairs {params.pairs} --drawn {params.drawn}"
        " --journal {params.journal} 2>&1 | tee {log}"


rule draw_cohort:
    localrule: True
    input:
        images=rules.prepare.output.images,
        split=rules.split.output.split,
    output:
        report(
            f"{RESULTS}/figures/cohort.png",
            category="1 Data",
            caption="../captions/cohort.rst",
        ),
    log:
        f"{LOGS}/draw-cohort.log",
    params:
        journal=f"{RESULTS}/journal/draw-cohort.jsonl",
        seed=SYSTEM.seed,
        cohort=subpath(input.images, parent=True),
    shell:
        "synthcohort draw-cohort --seed {params.seed} --cohort {params.cohort}"
        " --split {input.split} --out {output}"
        " --journal {params.journal} 2>&1 | tee {log}"
