"""`report.html`: a report as one page for people, with drawings. One file, no script, no network."""
