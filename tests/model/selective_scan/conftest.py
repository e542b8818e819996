"""Triton's interpreter, made quick enough for scans of chunks.

It combines whole rows where Triton combines single numbers, and replaces the functions of `triton.language` once a
kernel, not once a function that a kernel calls.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import triton.language as tl
from triton.runtime import interpreter

PATCH_LANG = interpreter._patch_lang


def _combine_rows(of: Any, given: Sequence[Any]) -> list[list[Any]]:
    """Fold the rows of an axis from its start; returns what is there after each, for every array given."""
    rows = [np.moveaxis(one.handle.data, of.axis, 0) for one in given]
    so_far = [[array[0] for array in rows]]
    for i in range(1, len(rows[0])):
        left = [of.to_tensor(array, one.dtype) for array, one in zip(so_far[-1], given, strict=True)]
        right = [of.to_tensor(array[i], one.dtype) for array, one in zip(rows, given, strict=True)]
        found = of.combine_fn.fn(*left, *right)
        so_far.append([one.handle.data for one in (found if isinstance(found, tuple) else (found,))])
    return so_far


def _scan(of: Any, given: Sequence[Any]) -> list[Any]:
    so_far = _combine_rows(of, given)
    return [
        of.to_tensor(np.stack([row[i] for row in so_far], of.axis), one.dtype) for i, one in enumerate(given)
    ]


def _reduce(of: Any, given: Sequence[Any]) -> list[Any]:
    found = _combine_rows(of, given)[-1]
    if of.keep_dims:
        found = [np.expand_dims(array, of.axis) for array in found]
    return [of.to_tensor(array, one.dtype) for array, one in zip(found, given, strict=True)]


def _patch_lang_once(function: Any) -> Any:
    languages = [value for value in function.__globals__.values() if value is tl or value is tl.core]
    patched = languages and not any(tl.core.is_builtin(language.load) for language in languages)
    return interpreter._LangPatchScope() if patched else PATCH_LANG(function)


@pytest.fixture(autouse=True)
def _quick_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        monkeypatch.setattr(interpreter, "_patch_lang", _patch_lang_once)
        monkeypatch.setattr(interpreter.ScanOps, "generic_scan", _scan)
        monkeypatch.setattr(interpreter.ReduceOps, "generic_reduce", _reduce)
