"""Licences of everything in the lock files; exits with 1 when one does not go with ours. `make licences`.

The rule. respsweep is source under Apache-2.0 and ships no dependency: who installs it fetches each from its makers,
under its own licence. So a dependency may be under a licence that asks for no more than its notice (MIT, BSD, Apache,
ISC, PSF and their kin), or under one whose conditions stay with its own files when these are used unchanged (MPL, LGPL).
One that would reach our source (GPL, AGPL), that restricts use, or that nobody names, is an error.

NVIDIA's CUDA libraries, which the Linux build of torch brings along, are proprietary. Users take them from NVIDIA under
NVIDIA's terms, and nothing of respsweep is made of them; they are listed apart. Packages for other machines than this
one are listed too, as not read.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageMetadata
from typing import Any

from license_expression import LicenseWithExceptionSymbol, get_spdx_licensing
from lock_files import Pinned, metadata_of, pinned

NOTICE = "0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause BSL-1.0 CC0-1.0 HPND ISC MIT MIT-0 MIT-CMU PSF-2.0 Unlicense Zlib"
OWN_FILES = "LGPL-2.1-or-later LGPL-3.0-or-later MPL-2.0"
COMPATIBLE = frozenset([*NOTICE.split(), *OWN_FILES.split()])
"""By their SPDX names; the conditions of `OWN_FILES` stay with the files of the dependency."""
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What a package says by a classifier, from before there was a field for SPDX."""
FREE_WORDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "BSD 3-Clause OR Apache-2.0": "BSD-3-Clause OR Apache-2.0",
}
"""What a package says in its own words."""
FROM_ITS_TEXT = {"huey": "MIT", "skops": "MIT"}
"""Packages whose metadata name no licence, and what the licence file in them is."""
UNKNOWN = "unknown"
SPDX = get_spdx_licensing()


def licence_of(metadata: PackageMetadata) -> str:
    """Name the licence of a package as SPDX does, from its metadata: the field for it, classifiers, or its own words."""
    said = metadata.get("License-Expression")
    if said:
        return said
    classifiers = [
        line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or [] if "License ::" in line
    ]
    if known := [CLASSIFIERS[name] for name in classifiers if name in CLASSIFIERS]:
        # All that a package names must go with ours; some name two to choose from.
        others = [name for name in classifiers if name not in CLASSIFIERS and name != "DFSG approved"]
        return " AND ".join(dict.fromkeys([*known, *([UNKNOWN] if others else [])]))
    words = (metadata.get("License") or "").strip()
    words = FREE_WORDS.get(words, words)
    return words if is_spdx(words) else FROM_ITS_TEXT.get(metadata["Name"].lower(), UNKNOWN)


def is_spdx(expression: str) -> bool:
    """Whether a text is an expression of licences that SPDX knows."""
    return bool(expression) and not SPDX.validate(expression).errors


def is_compatible(expression: str) -> bool:
    """Whether code under a licence, or an expression of several, goes with the rule above."""
    return is_spdx(expression) and _holds(SPDX.parse(expression))


def is_apart(name: str) -> bool:
    """Whether a package is one of NVIDIA's CUDA libraries, or the list of them."""
    return name.startswith("nvidia-") or name == "cuda-toolkit"


def judged(packages: Iterable[Pinned]) -> Mapping[str, Mapping[str, list[str]]]:
    """Sort packages by verdict (`compatible`, `apart`, `not read`, `not compatible`), and there by licence."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for package in packages:
        metadata = metadata_of(package)
        licence = UNKNOWN if metadata is None else licence_of(metadata)
        if metadata is None and not package.here:
            verdict, licence = "not read", "for other machines"
        elif metadata is None:
            verdict, licence = "not compatible", "not installed"
        elif is_compatible(licence):
            verdict = "compatible"
        elif is_apart(package.name):
            verdict, licence = "apart", "NVIDIA's own terms"
        else:
            verdict = "not compatible"
        found[verdict][licence].append(f"{package.name} {package.version}")
    return found


def _holds(expression: Any) -> bool:
    if isinstance(expression, SPDX.OR):
        return any(map(_holds, expression.args))
    if isinstance(expression, SPDX.AND):
        return all(map(_holds, expression.args))
    if isinstance(expression, LicenseWithExceptionSymbol):
        # An exception allows more than the licence, never less.
        return expression.license_symbol.key in COMPATIBLE
    return expression.key in COMPATIBLE


def main() -> int:
    """Print the licences, and return the exit status."""
    found = judged(pinned())
    for verdict in ("compatible", "apart", "not read", "not compatible"):
        for licence, names in sorted(
            found.get(verdict, {}).items(), key=lambda entry: (-len(entry[1]), entry[0])
        ):
            print(f"{verdict}: {licence} ({len(names)}): {', '.join(sorted(names))}")
    bad = sum(map(len, found.get("not compatible", {}).values()))
    print(f"{bad} not compatible with Apache-2.0")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
