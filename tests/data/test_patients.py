from pathlib import Path

import pytest

from data.patients import Patient, patient_files, read_patients


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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("somebody 3 F", "a patient's number first"),
        ("9999999999 3 F", "a patient's number first"),
        ("101", "a patient's number, age and sex"),
        ("101 old F", "an age in years"),
        ("101 3 5", "a sex F, M or NA"),
    ],
)
def test_a_line_that_is_not_understood_is_left_out_with_a_warning(
    tmp_path: Path, line: str, expected: str
) -> None:
    (tmp_path / "demographic_info.txt").write_text(f"100 50 M 22 NA NA\n{line}\n102 4 F\n{line}\n")
    with pytest.warns(
        UserWarning, match=rf"info\.txt line 2: read '{line}'; expected {expected}.* \(and 1 more"
    ) as told:
        patients = read_patients([tmp_path])
    assert len(told) == 1
    assert patients == {100: Patient(50.0, "M"), 102: Patient(4.0, "F")}


def test_a_table_of_excel_with_semicolons_is_read(tmp_path: Path) -> None:
    (tmp_path / "Patient_Diagnosis.CSV").write_text("Patient;Diagnosis\n301;COPD\n302;\n")
    with pytest.warns(UserWarning, match=r"line 3: read '302;'; expected a patient's number and diagnosis"):
        assert read_patients([tmp_path]) == {301: Patient(diagnosis="COPD")}


@pytest.mark.parametrize("content", ["101,COPD".encode("utf-16"), b"\x00\xff\xfe\x80"])
def test_a_file_that_is_not_text_is_left_out_with_a_warning(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "patient_diagnosis.csv").write_bytes(content)
    with pytest.warns(UserWarning, match=r"diagnosis\.csv: left out, as it cannot be read: not UTF-8"):
        assert read_patients([tmp_path]) == {}


def test_the_first_folder_that_has_a_file_is_asked(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for folder in (tmp_path, tmp_path / "inner"):
        (folder / "patient_diagnosis.csv").write_text(f"301,{folder.name}\n")
    folders = [tmp_path / "inner", tmp_path]
    assert patient_files(folders) == [tmp_path / "inner" / "patient_diagnosis.csv"]
    assert read_patients(folders) == {301: Patient(diagnosis="inner")}


def test_all_sampled_patients_have_a_diagnosis_and_a_sex(shared: Path) -> None:
    patients = read_patients([shared / "icbhi_sample"])
    assert len(patients) == 126
    assert patients[103] == Patient(70.0, "F", "Asthma")
    assert [number for number, patient in patients.items() if patient.age_years is None] == [223]
