import json
from pathlib import Path
from typing import Any

import pytest

from data.errors import DataError
from data.sprsound_annotations import EVENTS, LABELS_OF, RECORDS, Event, read_sprsound_annotation
from data.task import ICBHI, TASKS

BREATH = {"start": "100", "end": "600", "type": "Normal"}


def written(folder: Path, *events: Any, record: Any = "DAS") -> Path:
    path = folder / "501_2.4_0_p1_1.json"
    path.write_text(json.dumps({"record_annotation": record, "event_annotation": list(events)}))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_sprsound_annotation(path, duration_s=2.0)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_times_are_milliseconds_as_texts_or_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, BREATH, {"start": 600, "end": 1200.5, "type": "Fine Crackle"})
    assert read_sprsound_annotation(path, 2.0) == (
        "DAS",
        (Event(0.1, 0.6, "Normal"), Event(0.6, 1.2005, "Fine Crackle")),
    )


def test_an_event_or_a_key_that_is_written_twice_is_refused(tmp_path: Path) -> None:
    other = {**BREATH, "start": "600", "end": "900"}
    assert "event 3: the same as event 1; expected each event once" in refusal(
        written(tmp_path, BREATH, other, BREATH)
    )
    path = written(tmp_path, BREATH)
    path.write_text(path.read_text().replace('"start"', '"start": "50", "start"'))
    assert "the key 'start' is written twice" in refusal(path)


def test_a_recording_of_poor_quality_has_no_events(tmp_path: Path) -> None:
    assert read_sprsound_annotation(written(tmp_path, record="Poor Quality")) == ("Poor Quality", ())
    assert "1 events in a recording called Poor Quality; expected none" in refusal(
        written(tmp_path, BREATH, record="Poor Quality")
    )
    assert "0 events in a recording called DAS; expected at least one" in refusal(written(tmp_path))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"start": "soon"}, "read the time 'soon'; expected milliseconds, 0 or more"),
        ({"start": "nan"}, "read the time 'nan'; expected milliseconds"),
        ({"end": "1e999"}, "read the time '1e999'; expected milliseconds"),
        ({"end": 10**400}, "expected milliseconds"),
        ({"start": -1}, "read the time -1; expected milliseconds, 0 or more"),
        ({"start": "1_00"}, "read the time '1_00'; expected milliseconds"),
        ({"start": "\u0661\u0660\u0660"}, "expected milliseconds"),
        ({"start": True}, "read the time true; expected milliseconds"),
        ({"start": None}, "read the time null; expected milliseconds"),
        ({"start": 700}, "ends at 0.6 s, but starts at 0.7 s; expected end after start"),
        ({"end": "2500"}, "ends at 2.5 s, but the recording lasts 2.000 s; expected an end inside"),
        ({"end": "105"}, "a cycle of 0.005 s; expected at least 0.01 s"),
        ({"type": "Sneeze"}, "type is 'Sneeze'; expected one of Normal, Rhonchi, Wheeze, Stridor,"),
        ({"type": ["Normal"]}, "type is ['Normal']; expected one of"),
    ],
)
def test_a_broken_event_is_named_with_what_would_be_right(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    message = refusal(written(tmp_path, BREATH, {**BREATH, **change}))
    assert " event 2: " in message
    assert complaint in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "breath",
        "[]",
        "null",
        "[" * 100_000,
        '{"record_annotation": "DAS"}',
        '{"record_annotation": 3, "event_annotation": []}',
        '{"record_annotation": "DAS", "event_annotation": {}}',
    ],
)
def test_a_file_that_is_no_annotation_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "501_2.4_0_p1_1.json"
    path.write_text(text)
    assert 'expected {"record_annotation": ..., "event_annotation": [...]}' in refusal(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "501_2.4_0_p1_1.json"
    path.write_bytes(b"\xff\xfe{\x00")
    assert "not JSON" in refusal(path)


@pytest.mark.parametrize("event", [3, [], {"start": 0, "end": 100}])
def test_an_event_without_its_three_fields_is_refused(tmp_path: Path, event: Any) -> None:
    assert "expected start, end and type" in refusal(written(tmp_path, event))


def test_an_unknown_class_is_refused(tmp_path: Path) -> None:
    assert (
        "record_annotation is 'Good'; expected one of Normal, CAS, DAS, CAS & DAS, Poor Quality"
        in refusal(written(tmp_path, BREATH, record="Good"))
    )


def test_every_task_labels_every_type_and_uses_every_label() -> None:
    assert LABELS_OF.keys() == TASKS.keys()
    for name, labels in LABELS_OF.items():
        assert tuple(labels) == (RECORDS if TASKS[name].whole_recordings else EVENTS) or name == "icbhi"
        assert set(labels) == set(RECORDS if TASKS[name].whole_recordings else EVENTS)
        assert set(labels.values()) == set(range(TASKS[name].num_classes))


def test_events_as_icbhis_four_classes() -> None:
    named = {event: ICBHI.labels[label] for event, label in LABELS_OF["icbhi"].items()}
    assert named == {
        "Normal": "normal",
        "Coarse Crackle": "crackle",
        "Fine Crackle": "crackle",
        "Rhonchi": "wheeze",
        "Wheeze": "wheeze",
        "Stridor": "wheeze",
        "Wheeze+Crackle": "both",
    }


@pytest.mark.parametrize("name", ["1-1", "1-2", "2-1", "2-2"])
def test_labels_are_called_what_sprsound_calls_them(name: str) -> None:
    task = TASKS[name]
    for what, label in LABELS_OF[name].items():
        assert task.labels[label].lower() in (what.lower(), "adventitious")
