"""A study as one HTML file: facts, style and scripts in one page that asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

_SCRIPTS = ("d3.min.js", "plot.umd.min.js", "page.js")


def report_page(facts: Mapping[str, Any]) -> str:
    """Make the page that shows the facts of `sweep.report.page.facts.report_facts`.

    With `only` among the facts the page has that part alone. With `renewed_s` among them a browser loads the file again
    after so many seconds, unless something in it is heard or dragged over. Every name and value of a user is text in it,
    never markup. The page's own policy lets it run the scripts in it, known by their SHA-256, and nothing else, and
    forbids every request.
    """
    scripts = [_asset(name) for name in _SCRIPTS]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    # In a script element only "</" and "<!--" would end or change it.
    content = json.dumps(facts, allow_nan=False, ensure_ascii=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )
    answer = "".join(f"<li>{html.escape(line)}</li>" for line in facts["answer"])
    title = html.escape(f"{facts['study']['name']}: respsweep report")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title}</title>",
            f"<style>{_asset('page.css')}</style>",
            "</head>",
            "<body>",
            _asset("body.html").replace("<!-- answer -->", f'<ul class="answer">{answer}</ul>'),
            f'<script type="application/json" id="facts">{content}</script>',
            f"<!-- D3 and Observable Plot are under these licences:\n{_asset('LICENCES.txt')}-->",
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def _asset(name: str) -> str:
    return resources.files("sweep.report.page").joinpath("assets", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
