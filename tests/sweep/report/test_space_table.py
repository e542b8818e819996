from sweep.config.search_space import SearchSpace
from sweep.config.study_config import StudyConfig
from sweep.report.plain_console import as_text
from sweep.report.space_table import space_table

SEARCH = {
    "patch_mix.temperature": {"type": "float", "low": 0.02, "high": 0.5, "log": True},
    "smoothing.kernel_size": {"type": "int", "low": 3, "high": 9, "step": 2, "when": "smoothing.stage"},
    "smoothing.stage": {"type": "categorical", "choices": [None, 1, 2]},
    "smoothing.sigma": {"type": "float", "low": 1, "high": 5, "when": {"smoothing.stage": [1, 2]}},
}


def test_each_searched_field_has_its_values_and_its_condition() -> None:
    space: SearchSpace = StudyConfig.model_validate({"search": SEARCH}).space
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in as_text(space_table(space)).splitlines()
    ]
    assert [row for row in rows if row] == [
        ["patch_mix.temperature", "0.02 to 0.5, log", ""],
        ["smoothing.kernel_size", "3 to 9 in steps of 2", "smoothing.stage is not null"],
        ["smoothing.stage", "null, 1, 2", ""],
        ["smoothing.sigma", "1 to 5", "smoothing.stage is 1 or 2"],
    ]
