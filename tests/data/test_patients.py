from pathlib import Path

import pytest

from data.errors import DataError
from data.patients import Patient, read_patients


def test_age_sex_and_diagnosis_are_joined_by_number(tmp_path: Path) -> None:
    (tmp_path / "demographic_info.txt").write_text("101 3 F NA 19 99\n223 NA NA NA NA NA\n")
    (tmp_path / "patient_diagnosis.csv").write_text("ID,CLASS\n101,URTI\n102,Healthy\n")
    assert read_patients([tmp_path]) == {
        101: Patient(3.0, "F", "URTI"),
        102: Patient(None, None, "Healthy"),
        223: Patient(None, None, None),
    }


def test_the_challenges_own_file_names_are_known(tmp_path: Path) -> None:
    (tmp_path / "ICBHI_Challenge_demographic_information.txt").write_text("102\t0.75\tF\tNA\t9.8\t73\n")
    (tmp_path / "ICBHI_Challenge_diagnosis.txt").write_text("102\tHealthy\n")
    assert read_patients([tmp_path]) == {102: Patient(0.75, "F", "Healthy")}


def test_without_files_nobody_is_known(tmp_path: Path) -> None:
    assert read_patients([tmp_path]) == {}


@pytest.mark.parametrize("line", ["somebody 3 F", "101", "101 old F"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "demographic_info.txt").write_text(f"100 50 M 22 NA NA\n{line}\n")
    with pytest.raises(DataError, match=r"demographic_info\.txt line 2: read"):
        read_patients([tmp_path])


def test_all_sampled_patients_have_a_diagnosis_and_a_sex(shared: Path) -> None:
    patients = read_patients([shared / "icbhi_sample"])
    assert len(patients) == 126
    assert patients[103] == Patient(70.0, "F", "Asthma")
    assert [number for number, patient in patients.items() if patient.age_years is None] == [223]
