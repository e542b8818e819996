"""Execute notebooks with plain Python, and keep in them what their cells show; Jupyter is not needed.

    .venv/bin/python tools/run_notebook.py examples/read_a_study.ipynb

Cells run in the folder that the command is started in. A figure of a study is kept as a picture: what a notebook draws
of it is half a megabyte of scripts.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def executed(notebook: dict[str, Any], name: str) -> dict[str, Any]:
    """Execute the code cells of a notebook in order; return the notebook with their outputs."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            outputs = _outputs("".join(cell["source"]), f"{name}, cell {count}", names, count)
            cell = {**cell, "execution_count": count, "outputs": outputs}
        cells.append(cell)
    return {**notebook, "cells": cells}


def _outputs(source: str, name: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Execute a cell; return what it prints, and how a notebook shows its last expression."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, name, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        lines = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": lines})
    if value is not None:
        shown = {"output_type": "execute_result", "execution_count": count, "data": _data(value)}
        outputs.append({**shown, "metadata": {}})
    return outputs


def _data(value: object) -> dict[str, Any]:
    data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
    if (draw := getattr(value, "matplotlib", None)) is not None:
        picture = io.BytesIO()
        draw().savefig(picture, format="png", dpi=90, metadata={"Software": None})
        data["image/png"] = base64.b64encode(picture.getvalue()).decode()
    elif (as_html := getattr(value, "_repr_html_", None)) is not None:
        data["text/html"] = as_html().splitlines(keepends=True)
    return data


def main() -> None:
    """Execute each notebook that is named, and write it back."""
    for path in map(Path, sys.argv[1:]):
        notebook = executed(json.loads(path.read_text(encoding="utf-8")), path.name)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
