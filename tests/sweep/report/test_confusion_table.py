import dataclasses
import io

from rich.console import Console

from model.training.epoch_metrics import EpochMetrics
from sweep.report.confusion_table import confusion_table, epoch_row

# 8 of 10 normal cycles are recognised; 6 of 10 abnormal ones, 9 of 10 as abnormal at all.
METRICS = EpochMetrics(
    epoch=7,
    train_loss=1.0,
    cross_entropy=1.0,
    terms={},
    learning_rate=1e-3,
    skipped_steps=0,
    seconds=1.0,
    confusion=[[8, 1, 1, 0], [1, 3, 0, 0], [0, 1, 2, 0], [0, 1, 1, 1]],
)


def shown(metrics: EpochMetrics = METRICS) -> list[str]:
    console = Console(file=io.StringIO(), width=160)
    console.print(confusion_table(metrics))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_rows_are_truth_and_columns_predictions() -> None:
    lines = shown()
    assert "validation, epoch 7: rows are truth, columns predictions" in lines[0]
    rows = [line.replace("│", " ").split() for line in lines]
    assert ["normal", "8", "1", "1", "0"] in rows
    assert ["crackle", "1", "3", "0", "0"] in rows
    assert ["wheeze", "0", "1", "2", "0"] in rows
    assert ["both", "0", "1", "1", "1"] in rows


def test_another_task_has_its_own_labels_and_score() -> None:
    metrics = dataclasses.replace(METRICS, confusion=[[8, 1, 1], [0, 2, 1], [1, 1, 1]], task="2-1")
    lines = shown(metrics)
    assert "poor quality" in lines[6]
    assert lines[-1].startswith("score 63.27 %  (specificity 80.00 %, sensitivity 50.00 %")


def test_the_rates_below_are_those_of_the_matrix() -> None:
    assert shown()[-1] == (
        "score 70.00 %  (specificity 80.00 %, sensitivity 60.00 %; any abnormal: score 85.00 %)"
    )


def test_all_losses_of_an_epoch_are_told_and_sharpness_where_it_was_measured() -> None:
    plain = epoch_row(METRICS)
    assert "sharpness" not in plain
    told = epoch_row(dataclasses.replace(METRICS, terms={"device_contrast": 2.5}, sharpness=0.25))
    assert told == {**plain, "device_contrast": 2.5, "sharpness": 0.25}
    assert (plain["score"], plain["harmonic_score"]) == (0.7, METRICS.harmonic_score)
