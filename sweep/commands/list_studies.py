"""`respsweep list`."""

from __future__ import annotations

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, FormatOption, StudiesOption


def list_studies(
    form: FormatOption = "table",
    studies: StudiesOption = STUDIES,
) -> None:
    """List the studies: how each stands, its best score, how far it is, when it changed last."""
    from sweep.report.study_list import list_studies as listed
    from sweep.report.study_list import studies_frame, studies_table
    from sweep.report.table_formats import as_data, as_latex, as_markdown

    found = listed(studies)
    if form in ("json", "csv"):
        say(as_data(studies_frame(found), form).rstrip("\n"))
    elif form == "table":
        console().print(studies_table(found) if found else f"no studies in {studies}/ yet", highlight=False)
    else:
        table = studies_table(found)
        say(as_markdown(table) if form == "markdown" else as_latex(table))
