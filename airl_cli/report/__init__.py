"""Many runs in one report: statistics over seeds, tables, learning curves, a page for the browser.

    directories --find--> runs --gather--> groups of equal configs --aggregate--> rows
                                                                                   |
             terminal, CSV, Markdown, LaTeX, JSON, PNG, report.html <--------------+

What a run directory holds is data: JSON and CSV of bounded size are read, nothing is built from
it, and every writer escapes what its format takes for commands.
"""
