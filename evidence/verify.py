"""Recompute every number that a bundle claims, from its predictions: `respsweep verify`, or `respsweep-verify` alone."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evidence.bundle import Bundle, BundleError, read_bundle
from evidence.cross_folds import cross_fold_numbers
from evidence.objectives import TITLES
from evidence.reading import reading_numbers
from evidence.shown_numbers import shown_numbers
from evidence.validation import ranked_by, validation_numbers

TOLERANCE = 1e-9
"""Largest difference between a claimed number and the one computed again; they differ by rounding alone."""
OTHER_DRAWS = 0.01
"""The same for intervals over patients, where another version of numpy may draw other patients."""
DRAWN = ("patient_interval", "difference_interval", "probability_best", "above")
"""Numbers that rest on draws of patients."""
NUMBERS = {"validation": validation_numbers, "folds": cross_fold_numbers, "test": reading_numbers}
"""What makes the numbers of a bundle, by its kind."""
SHOWN = 20
"""Differences that are printed."""

Difference = tuple[str, Any, Any]
"""Where in the claims, what is claimed, and what the predictions give."""


def differences(bundle: Bundle, numbers: Mapping[str, Any] | None = None) -> list[Difference]:
    """Compare all claims of a bundle with what its predictions give, the `numbers`; empty when all agree."""
    numbers = NUMBERS[bundle.kind](bundle) if numbers is None else numbers
    # Of one fold nothing is drawn.
    same_draws = bundle.kind == "validation" or bundle.about.get("numpy") == np.__version__
    return list(_compared("", bundle.claims, numbers, TOLERANCE if same_draws else OTHER_DRAWS))


def count(claims: Any) -> int:
    """Count the numbers in claims."""
    if isinstance(claims, Mapping):
        return sum(map(count, claims.values()))
    if isinstance(claims, list | tuple):
        return sum(map(count, claims))
    return int(isinstance(claims, int | float))


def summary(bundle: Bundle, digest: str) -> Iterator[str]:
    """Say in lines for people what a bundle is of, and what its predictions come to."""
    about = bundle.about
    ranked = "" if ranked_by(about) == "score" else f", ranked by the {TITLES[ranked_by(about)]}"
    yield f"{bundle.kind} of the study {about.get('study')!r}, task {about.get('task')!r}{ranked}; SHA-256 {digest}"
    of = (
        ""
        if (population := about.get("population")) is None
        else f" of the population {_population(population)}"
    )
    yield f"{len(bundle.cycles)} cycles{of}, {len(bundle.predictions)} units"


def _population(told: Any) -> str:
    """Write a population as a study file does: `child`, or `[0, 5]` in years."""
    return f"[{', '.join(f'{age:g}' for age in told)}]" if isinstance(told, list) else str(told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the bundles that the arguments name; returns the exit status, 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="respsweep-verify", description=__doc__)
    parser.add_argument("bundle", type=Path, nargs="+")
    status = 0
    for path in parser.parse_args(arguments).bundle:
        try:
            bundle, digest = read_bundle(path)
            recomputed = NUMBERS[bundle.kind](bundle)
            found = differences(bundle, recomputed)
            lines = [*summary(bundle, digest), *shown_numbers(bundle.kind, bundle.about, recomputed)]
        except OSError as error:
            print(
                f"FAIL: {path}: cannot be read: {error.strerror or error}; expected a bundle, as respsweep test leaves "
                "in a study (test-1.bundle) and respsweep export NAME --bundle FILE writes",
                file=sys.stderr,
            )
            status = 1
            continue
        except BundleError as error:
            print(f"FAIL: {error}", file=sys.stderr)
            status = 1
            continue
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            print(f"FAIL: {path}: a bundle that cannot be: {error!r}", file=sys.stderr)
            status = 1
            continue
        for line in lines:
            print(line)
        for where, claimed, given in found[:SHOWN]:
            print(f"  {where}: {claimed!r} is claimed, the predictions give {given!r}")
        numbers = count(bundle.claims)
        if bundle.kind != "validation" and bundle.about.get("numpy") != np.__version__:
            print(
                "  what rests on draws of patients was drawn by another numpy, and is compared within 1 point alone"
            )
        if found or not numbers:
            print(f"FAIL: {path}: {len(found)} of {numbers} numbers are not what the predictions give")
            status = 1
        else:
            print(f"PASS: {path}: all {numbers} numbers are what the predictions give")
    return status


def _compared(
    where: str, claimed: Any, found: Any, of_draws: float, allowed: float = TOLERANCE
) -> Iterator[Difference]:
    if isinstance(claimed, Mapping) and isinstance(found, Mapping):
        for key in sorted(claimed.keys() | found.keys(), key=str):
            place = f"{where}.{key}" if where else str(key)
            drawn = key in DRAWN and isinstance(found.get(key), list | float)
            yield from _compared(
                place, claimed.get(key), found.get(key), of_draws, of_draws if drawn else TOLERANCE
            )
    elif isinstance(claimed, list) and isinstance(found, list) and len(claimed) == len(found):
        for position, (one, other) in enumerate(zip(claimed, found, strict=True)):
            yield from _compared(f"{where}.{position}", one, other, of_draws, allowed)
    elif isinstance(claimed, float | int) and isinstance(found, float | int):
        if not math.isclose(claimed, found, rel_tol=TOLERANCE, abs_tol=allowed):
            yield where, claimed, found
    elif claimed != found:
        yield where, claimed, found


if __name__ == "__main__":
    sys.exit(main())
