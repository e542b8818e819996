from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

from data.settings import Config, ConfigError, parse, read_yaml


class Inner(Config):
    temperature: float = Field(default=0.2, gt=0)
    axes: tuple[Literal["time", "frequency"], ...] = ("time",)


class Cat(Config):
    kind: Literal["cat"]
    lives: int = Field(default=9, ge=1)


class Dog(Config):
    kind: Literal["dog"]
    barks: bool = True


class Outer(Config):
    patch_mix: Inner = Inner()
    epochs: int = Field(default=50, ge=1)
    stage: int | None = None
    seeds: int | tuple[int, ...] = 5
    animal: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat(kind="cat")
    name: str

    @field_validator("name")
    @classmethod
    def _is_a_word(cls, name: str) -> str:
        if not name.isalpha():
            raise ValueError(f"name must be a word, got {name!r}")
        return name


def complaint(content: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(Outer, {"name": "lungs"} | content, "space.yaml")
    return str(caught.value)


def yaml_file(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def test_settings_are_frozen_and_equal_by_content() -> None:
    one, same = Inner(temperature=0.1), Inner(temperature=0.1)
    assert one == same
    assert hash(one) == hash(same)
    with pytest.raises(ValidationError, match="frozen"):
        one.temperature = 0.3


def test_what_is_not_written_keeps_its_default() -> None:
    parsed = parse(Outer, {"name": "lungs", "patch_mix": {"axes": ["frequency"]}}, "space.yaml")
    assert parsed.patch_mix == Inner(temperature=0.2, axes=("frequency",))
    assert parsed.epochs == 50


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "space.yaml: epoch: no such field; did you mean epochs?"),
        (
            {"patch_mix": {"temprature": 0.1}},
            "space.yaml: patch_mix.temprature: no such field; did you mean patch_mix.temperature?",
        ),
        (
            {"zzz": 1},
            "space.yaml: zzz: no such field; there are patch_mix, epochs, stage, seeds, animal, name",
        ),
        (
            {"patch_mix": {"tau": 0.1}},
            "space.yaml: patch_mix.tau: no such field; patch_mix has temperature, axes",
        ),
        ({"epochs": 0}, "space.yaml: epochs: must be greater than or equal to 1, got 0"),
        ({"name": "2 lungs"}, "space.yaml: name: name must be a word, got '2 lungs'"),
        (
            {"animal": {"kind": "cow"}},
            "space.yaml: animal.kind: must be one of 'cat', 'dog', got 'cow'",
        ),
        ({"animal": {"lives": 3}}, "space.yaml: animal.kind: required, but not given"),
        (
            {"animal": {"kind": "cat", "lives": 0}},
            "space.yaml: animal.lives: must be greater than or equal to 1, got 0",
        ),
    ],
)
def test_a_mistake_is_named_by_file_field_and_what_would_be_right(
    content: dict[str, object], message: str
) -> None:
    assert complaint(content) == message


def test_a_required_field_that_is_not_given_is_named() -> None:
    with pytest.raises(ConfigError, match=r"space\.yaml: name: required, but not given"):
        parse(Outer, {}, "space.yaml")


def test_a_misspelt_required_field_is_one_mistake_and_not_two() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Outer, {"nam": "lungs"}, "space.yaml")
    assert str(caught.value) == "space.yaml: nam: no such field; did you mean name?"


def test_every_mistake_has_its_line() -> None:
    lines = complaint({"epochs": "many", "patch_mix": {"temperature": -1}}).splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["patch_mix.temperature", "epochs"]


def test_each_line_of_a_complaint_about_a_part_says_where() -> None:
    class Whole(Config):
        part: dict[str, object]

        @model_validator(mode="after")
        def _has_parts(self) -> "Whole":
            parse(Outer, self.part, "part")
            return self

    with pytest.raises(ConfigError) as caught:
        parse(Whole, {"part": {"name": "lungs", "epochs": 0, "zzz": 1}}, "space.yaml")
    assert [line.split(":")[:3] for line in str(caught.value).splitlines()] == [
        ["space.yaml", " part", " epochs"],
        ["space.yaml", " part", " zzz"],
    ]


def test_a_value_of_none_of_several_types_gets_one_line() -> None:
    message = complaint({"seeds": "five"})
    assert len(message.splitlines()) == 1
    assert message == "space.yaml: seeds: must be a whole number or a list such as [1, 2, 3], got 'five'"


def test_a_file_holds_settings_by_name(tmp_path: Path) -> None:
    assert read_yaml(yaml_file(tmp_path, "epochs: 3\nname: lungs\n")) == {"epochs": 3, "name": "lungs"}


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", "+1E-3"])
def test_powers_of_ten_are_numbers_however_they_are_written(tmp_path: Path, text: str) -> None:
    assert read_yaml(yaml_file(tmp_path, f"rate: {text}"))["rate"] == 0.001


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "line 2 not valid YAML: the key 'a' is written twice"),
        ("a:\n  b: 1\n  b: 2\n", "line 3 not valid YAML: the key 'b' is written twice"),
        ("a: [1, 2\n", "not valid YAML"),
        ("- 1\n- 2\n", "expected settings as `key: value`, found list"),
        ("", "expected settings as `key: value`, found nothing"),
        ("? [1]\n: 2\n", "not valid YAML"),
        ("day: !!timestamp 2026-13-45", "could not determine a constructor for the tag"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = yaml_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}:")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read: embedded null byte"):
        read_yaml(tmp_path / "a\0b")
    with pytest.raises(ConfigError, match=r"binary\.yaml: no text in UTF-8 \(byte 0\); expected a file"):
        read_yaml(tmp_path / "binary.yaml")


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan"])
def test_what_is_no_finite_number_is_shown_as_the_file_writes_it(tmp_path: Path, number: str) -> None:
    read = read_yaml(
        yaml_file(tmp_path, f"patch_mix: {{temperature: {number}}}\nanimal: {{kind: [{number}]}}")
    )
    assert complaint(read).splitlines() == [
        f"space.yaml: patch_mix.temperature: must be a finite number, got {number}",
        f"space.yaml: animal.kind: must be one of 'cat', 'dog', got [{number}]",
    ]
