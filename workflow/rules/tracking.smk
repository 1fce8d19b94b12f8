rule summary:
    input:
        audit=rules.audit.output.audit,
        results=RESULT_FILES,
        export=rules.export.output,
    output:
        report(
            f"{RESULTS}/summary.txt",
            category="7 Summary",
            caption="../report/summary.rst",
        ),
    log:
        f"{LOGS}/summary.log",
    params:
        results=subpath(input.audit, parent=True),
    shell:
        "synthcohort summary --results {params.results} > {output} 2> {log}"


rule publish:
    input:
        export=rules.export.output,
        summary=rules.summary.output,
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
        " --artifacts {input.export}/README.md {input.summary} --out {output} 2>&1 | tee {log}"
