if FETCHES:

    rule fetch:
        output:
            directory(f"{RESULTS}/raw"),
        log:
            f"{LOGS}/fetch.log",
        params:
            settings=as_json(SYSTEM.source),
        shell:
            "synthcohort fetch --settings {params.settings:q} --seed {SYSTEM.seed} --out {output}"
            " --journal {RESULTS}/journal/fetch.jsonl 2>&1 | tee {log}"


rule prepare:
    input:
        f"{RESULTS}/raw" if FETCHES else [],
    output:
        images=f"{RESULTS}/cohort/images.npy",
        manifest=f"{RESULTS}/cohort/manifest.csv",
    log:
        f"{LOGS}/prepare.log",
    params:
        source=as_json(SYSTEM.source),
        settings=as_json(SYSTEM.prepare),
        root=f"--root {RESULTS}/raw" if FETCHES else "",
    shell:
        "synthcohort prepare --source {params.source:q} --settings {params.settings:q}"
        " {params.root} --out {RESULTS}/cohort"
        " --journal {RESULTS}/journal/prepare.jsonl 2>&1 | tee {log}"


rule split:
    input:
        images=rules.prepare.output.images,
        manifest=rules.prepare.output.manifest,
    output:
        split=f"{RESULTS}/cohort/split.csv",
        leakage=f"{RESULTS}/cohort/leakage.json",
        figure=report(
            f"{RESULTS}/figures/cohort.png",
            category="1 Data",
            caption="../report/cohort.rst",
        ),
    log:
        f"{LOGS}/split.log",
    params:
        settings=as_json(SYSTEM.split),
    shell:
        "synthcohort split --settings {params.settings:q} --seed {SYSTEM.seed}"
        " --cohort {RESULTS}/cohort --out {output.split} --leakage {output.leakage}"
        " --figure {output.figure} --journal {RESULTS}/journal/split.jsonl 2>&1 | tee {log}"
