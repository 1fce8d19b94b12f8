rule publish:
    localrule: True
    input:
        card=rules.export.output.card,
        model=rules.model.output,
        summary=rules.summary.output,
        report=rules.report_page.output,
        comparison=rules.show_samples.output.comparison,
        page=rules.observer.output.page,
    output:
        f"{RESULTS}/published.json",
    log:
        f"{LOGS}/publish.log",
    params:
        system=as_json(SYSTEM),
        journals=f"{RESULTS}/journal/*.jsonl",
    shell:
        "synthcohort publish --system {params.system:q} --journals {params.journals}"
        " --artifacts {input.card} {input.summary} {input.report}"
        " --out {output} 2>&1 | tee {log}"
