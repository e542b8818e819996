"""Who was recorded: age, sex and diagnosis, and how ICBHI's optional files of patients say so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import DataError

DEMOGRAPHICS = ("demographic_info.txt", "ICBHI_Challenge_demographic_information.txt")
DIAGNOSES = ("patient_diagnosis.csv", "ICBHI_Challenge_diagnosis.txt")


@dataclass(frozen=True)
class Patient:
    """What is known of a patient; None where nothing says so. `age_years` is the age at the first recording."""

    age_years: float | None = None
    sex: str | None = None
    diagnosis: str | None = None


def read_patients(folders: Iterable[Path]) -> dict[int, Patient]:
    """Read patients by number, from the demographic and the diagnosis file found first in `folders`.

    Raises DataError for a line that does not start with a patient's number, has too few fields, or an age
    that is no number. Returns no patients when there are no such files.
    """
    folders = list(folders)
    patients: dict[int, Patient] = {}
    for where, number, fields in _rows(folders, DEMOGRAPHICS, fields=2):
        sex = None if fields[1] == "NA" else fields[1]
        patients[number] = Patient(age_years=_age(where, fields[0]), sex=sex)
    for _, number, fields in _rows(folders, DIAGNOSES, fields=1):
        patients[number] = replace(patients.get(number, Patient()), diagnosis=fields[0])
    return patients


def _rows(folders: list[Path], names: tuple[str, ...], fields: int) -> Iterable[tuple[str, int, list[str]]]:
    path = next((found for folder in folders for name in names if (found := folder / name).is_file()), None)
    if path is None:
        return
    for position, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        row = line.replace(",", " ").split()
        # Some copies of the diagnosis file open with column names.
        if not row or (position == 1 and not row[0].isdecimal()):
            continue
        if not row[0].isdecimal() or len(row) < 1 + fields:
            raise DataError(
                f"{path} line {position}: read {line[:60]!r}; expected a patient's number and {fields} fields"
            )
        yield f"{path} line {position}", int(row[0]), row[1:]


def _age(where: str, text: str) -> float | None:
    if text == "NA":
        return None
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if not math.isfinite(age) or age < 0:
        raise DataError(f"{where}: read the age {text!r}; expected years, 0 or more, or NA")
    return age
