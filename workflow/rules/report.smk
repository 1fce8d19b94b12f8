rule summary:
    localrule: True
    input:
        audit=rules.audit.output.audit,
        results=RESULT_FILES,
        export=rules.export.output,
    output:
        report(
            f"{RESULTS}/summary.txt",
            category="7 Summary",
            caption="../captions/summary.rst",
        ),
    log:
        f"{LOGS}/summary.log",
    params:
        results=subpath(input.audit, parent=True),
    shell:
        "synthcohort summary --results {params.results} > {output} 2> {log}"


# Not after the export: where the audit fails, this page is what tells why.
rule report_page:
    localrule: True
    input:
        audit=rules.audit.output.audit,
        results=RESULT_FILES,
        figures=[
            rules.draw_cohort.output,
            rules.draw_autoencoder.output,
            rules.draw_diffusion.output,
            rules.show_samples.output.comparison,
        ],
        pairs=rules.draw_audit.output.pairs,
        drawn=rules.draw_evaluation.output,
        samples=rules.gather.output,
        captions=CAPTIONS,
    output:
        report(
            f"{RESULTS}/report.html",
            category="7 Summary",
            caption="../captions/report.rst",
        ),
    log:
        f"{LOGS}/report_page.log",
    params:
        journal=f"{RESULTS}/journal/report.jsonl",
        system=as_json(SYSTEM),
        results=subpath(input.audit, parent=True),
    # Before the export, which stops everything where it is refused.
    priority: 2
    shell:
        "synthcohort report --system {params.system:q} --results {params.results}"
        " --captions {input.captions:q} --out {output}"
        " --journal {params.journal} 2>&1 | tee {log}"
