"""A page as Debian's Chromium shows it."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--enable-logging=stderr", "--virtual-time-budget=10000", "--allow-file-access-from-files"),
]
FRAME = """<!doctype html><body><iframe width="{width}" height="2000" src="{page}"></iframe><script>
const frame = document.querySelector("iframe");
let loads = 0;
frame.onload = () => (loads += 1) === 1 && setTimeout(() => {{
  const page = frame.contentDocument.documentElement, shown = document.createElement("pre");
  for (const audio of page.querySelectorAll("audio")) audio.dataset.duration = audio.duration;
  for (const box of page.querySelectorAll(".table")) {{
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth;
    box.dataset.scrolls = scrolls ? "within" : "no";
  }}
  page.dataset.loads = loads;
  shown.dataset.needed = page.scrollWidth;
  shown.textContent = page.outerHTML;
  document.body.replaceChildren(shown);
}}, 1000);
</script>"""
"""A window of Chromium is never as narrow as a phone, a frame in it is."""


def in_chromium(
    page: Path, folder: Path, width: int = 1200, *, dark: bool = False
) -> tuple[str, list[str], int]:
    """Open a file `width` pixels wide; return its document once scripts have run, and what the browser said of it.

    In the document each audio element says, as `data-duration`, how many seconds the browser could play, the box of a
    table, as `data-scrolls`, whether one scrolls `within` it to see the table whole, and the root, as `data-loads`, how
    often the page was loaded within a second. The third is the width, in pixels, that the page
    would need to be seen without scrolling sideways. Skips the test where there is no Chromium.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here; Debian has it as a package")
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width, page=page.absolute().as_uri()))
    options = [
        f"--user-data-dir={folder / 'profile'}",
        "--window-size=1400,2100",
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
    ]
    shown = subprocess.run(
        [chromium, *QUIET, *options, "--dump-dom", frame.absolute().as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre data-needed="(\d+)">(.*)</pre>', shown.stdout, re.DOTALL)
    assert found is not None, shown.stderr
    said = [line for line in shown.stderr.splitlines() if ":CONSOLE" in line]
    return html.unescape(found[2]), said, int(found[1])
