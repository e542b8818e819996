"""Who was recorded: age, sex and diagnosis, and how ICBHI's optional files of patients say so."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from data.any_case import file_named

DEMOGRAPHICS = ("demographic_info.txt", "ICBHI_Challenge_demographic_information.txt")
DIAGNOSES = ("patient_diagnosis.csv", "ICBHI_Challenge_diagnosis.txt")


@dataclass(frozen=True)
class Patient:
    """What is known of a patient; None where nothing says so. `age_years` is the age at the first recording."""

    age_years: float | None = None
    sex: str | None = None
    diagnosis: str | None = None


def patient_files(folders: Iterable[Path]) -> list[Path]:
    """Find the demographic and the diagnosis file, each the first in `folders`; what is not there is left out."""
    folders = list(folders)
    return [path for names in (DEMOGRAPHICS, DIAGNOSES) if (path := file_named(folders, names))]


def read_patients(folders: Iterable[Path]) -> dict[int, Patient]:
    """Read patients by number, from the demographic and the diagnosis file found first in `folders`.

    Populations by age alone rest on these files (`data.population`). So a file that cannot be read, and a line that does
    not start with a patient's number, has too few fields, an age that is no number, or a sex other than F and M, is left
    out with a warning, one a file. Fields are divided by tabs, spaces, commas or semicolons. Returns no patients when
    there are no such files.
    """
    folders = list(folders)
    patients = _patients_in(file_named(folders, DEMOGRAPHICS), _demographics)
    for number, said in _patients_in(file_named(folders, DIAGNOSES), _diagnosis).items():
        patients[number] = replace(patients.get(number, Patient()), diagnosis=said.diagnosis)
    return patients


def _patients_in(path: Path | None, patient_of: Callable[[list[str]], Patient]) -> dict[int, Patient]:
    """Patients by number as one file says; what of it cannot be understood is warned of."""
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"not UTF-8 text (byte {error.start})"
        warnings.warn(
            f"{path}: left out, as it cannot be read: {why}; populations by age alone need it", stacklevel=4
        )
        return {}
    found: dict[int, Patient] = {}
    strange: list[str] = []
    for position, line in enumerate(lines, 1):
        row = re.split(r"[\s,;]+", line.strip(" \t,;"))
        # Some copies of the diagnosis file open with column names.
        if row == [""] or (position == 1 and not row[0].isdecimal()):
            continue
        try:
            found[_number(row[0])] = patient_of(row[1:])
        except ValueError as error:
            strange.append(f"{path} line {position}: read {line[:60]!r}; expected {error}")
    if strange:
        more = f" (and {len(strange) - 1} more like it)" if len(strange) > 1 else ""
        warnings.warn(f"{strange[0]}; left out{more}, populations by age alone need it", stacklevel=4)
    return found


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("a patient's number first")
    return int(text)


def _demographics(fields: list[str]) -> Patient:
    if len(fields) < 2:
        raise ValueError("a patient's number, age and sex")
    if fields[1] not in ("F", "M", "NA"):
        raise ValueError("a sex F, M or NA")
    return Patient(age_years=_age(fields[0]), sex=None if fields[1] == "NA" else fields[1])


def _diagnosis(fields: list[str]) -> Patient:
    if not fields:
        raise ValueError("a patient's number and diagnosis")
    return Patient(diagnosis=fields[0])


def _age(text: str) -> float | None:
    if text == "NA":
        return None
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if not math.isfinite(age) or age < 0:
        raise ValueError("an age in years, 0 or more, or NA")
    return age
