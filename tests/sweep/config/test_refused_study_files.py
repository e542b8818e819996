"""Study files: what a mistake in one is answered with."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from data.settings import ConfigError, parse
from sweep.config.study_config import StudyConfig, read_study

BETA: dict[str, Any] = {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}

NO_GPU = ": budget.gpu_hours: the units hold no GPU, so that none are ever spent: resources.gpu is {}; use"


def refusal(path: Path, text: str) -> str:
    """What reading a study file with this text complains of, without the file's name."""
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_study(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(str(path)) for line in lines)
    return "\n".join(line.removeprefix(str(path)) for line in lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.yaml"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("serch: {}", ": serch: no such field; did you mean search?"),
        (
            "search: {patch_mix.temprature: {type: float, low: 0.1, high: 0.5}}",
            ": search.patch_mix.temprature: no such field; did you mean patch_mix.temperature?",
        ),
        (
            "search: {patch_mix.beta: {type: float, low: 0.1, hihg: 0.5}}",
            ": search.patch_mix.beta.hihg: no such field; did you mean search.patch_mix.beta.high?",
        ),
        (
            "search: {patch_mix.beta: {type: float, low: 0.1, high: 0.5}}\nsampler: {nmae: tpe}",
            ": sampler.nmae: no such field; did you mean sampler.name?",
        ),
        (
            "search: {patch_mix.beta: {type: float, low: 0.1, high: 0.5}}\ndata: {patents: 12}",
            ": data.patents: no such field; did you mean data.patients?",
        ),
        (
            "search: {patch_mix.beta: {type: float, low: 0.1, high: 0.5}}\nrecipe: {smoothing: {sgima: 2}}",
            ": recipe: smoothing.sgima: no such field; did you mean smoothing.sigma?",
        ),
        (
            "search: {patch_mix.beta: {type: float, low: 0.1, high: 0.5}}\nepochs: 10",
            ": epochs: no such field; did you mean recipe.epochs?",
        ),
        (
            "search: {patch_mix.beta: {type: float, low: 0.1, high: 0.5}}\npatch_mix: {beta: 0.3}",
            ": patch_mix: no such field; did you mean recipe.patch_mix?",
        ),
    ],
)
def test_a_typo_is_told_with_file_key_and_nearest_field(path: Path, text: str, complaint: str) -> None:
    assert refusal(path, text) == complaint


@pytest.mark.parametrize(
    "text",
    [
        "search: {patch_mix.beta: {type: float, low: 0.1, high: 0.5}}\nrecipe: {patch_mix: {tau: 0.2}}",
        "search: {patch_mix.tau: {type: float, low: 0.1, high: 0.5}}",
    ],
)
def test_a_symbol_of_the_paper_is_answered_with_the_fields_of_its_group(path: Path, text: str) -> None:
    complaint = refusal(path, text)
    assert "patch_mix.tau: no such field; patch_mix has axes, temperature, beta, " in complaint


@pytest.mark.parametrize(
    ("search", "complaint"),
    [
        (
            "patch_mix.temperature: {type: float, low: 0.0, high: 0.5, log: true}",
            "a log range must start above 0",
        ),
        (
            "patch_mix.temperature: {type: float, low: cold, high: 0.5}",
            ".low: must be a number",
        ),
        ("patch_mix.temperature: {type: float, high: 0.5}", ".low: required, but not given"),
        (
            "patch_mix.temperature: {type: flat, low: 0.1}",
            ".type: must be one of 'float', 'int', 'categorical'",
        ),
        ("patch_mix.temperature: {low: 0.1, high: 0.5}", ".type: required, but not given"),
        (
            "patch_mix.temperature: {type: categorical, choices: []}",
            ".choices: must have at least 1 entry",
        ),
        (
            "patch_mix.temperature: 0.2",
            ": must be settings such as {type: float, low: ..., high: ...}, got 0.2",
        ),
        (
            "smoothing.kernel_size: {type: categorical, choices: [3, 4]}",
            ": 4 makes no recipe: smoothing.kernel_size",
        ),
        ("smoothing.stage: {type: categorical, choices: [1, 4]}", ": 4 makes no recipe: smoothing.stage"),
        ("smoothing.stage: {type: int, low: 0, high: 9}", ": 4 makes no recipe: smoothing.stage"),
    ],
)
def test_a_mistaken_search_is_told_by_field(path: Path, search: str, complaint: str) -> None:
    field = search.partition(":")[0]
    message = refusal(path, f"search:\n  {search}\n")
    assert message.startswith(f": search.{field}")
    assert complaint in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("seeds: [1, 1]", ": seeds: the same seed twice would count one result twice, got [1, 1]"),
        ("seeds: []", ": seeds: must have at least 1 entry"),
        ("seeds: five", ": seeds: must be a list such as [1, 2, 3], got 'five'"),
        (
            "budget: {configurations: 0}",
            ": budget.configurations: must be greater than or equal to 1, got 0",
        ),
        ("sampler: {name: grid}", ": search.patch_mix.beta: a grid needs a step or a list of choices"),
        ("sampler: {name: tpo}", ": sampler.name: must be 'tpe'"),
        ("recipe: {smoothing: {kernel_size: 4}}", ": recipe: smoothing.kernel_size: "),
        ("recipe: {backbone: {name: ast, variant: tiny}}", ": recipe: smoothing.stage: ast has no stages"),
        (
            "budget: {units: 3}",
            ": budget.units: 3 cannot finish one configuration of 5 seeds (the default)",
        ),
        (
            "budget: {gpu_hours: 3}",
            NO_GPU.format("0 (the default)"),
        ),
        (
            "budget: {gpu_hours: 3}\nresources: {gpu: 0}",
            NO_GPU.format("0"),
        ),
        ("data: {patients: 2}", ": data.patients: must be greater than or equal to 8, got 2"),
        ("data: [a, b]", ": data: must be"),
        ("objective: auc", ": objective: must be 'score', 'any_abnormal' or 'harmonic' or a list such as"),
        (
            "objective: any_abnormal\ntask: 1-1",
            ": objective: any_abnormal is the score itself in the task 1-1, which has one abnormal label; write score",
        ),
    ],
)
def test_a_mistaken_setting_is_told_by_field(path: Path, setting: str, complaint: str) -> None:
    message = refusal(path, f"search: {{patch_mix.beta: {{type: float, low: 0.2, high: 2.0}}}}\n{setting}\n")
    assert message.startswith(complaint)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("point", "complaint"),
    [
        ("{patch_mix.beta: 1.0, epochs: 2}", "epochs: this study does not search that field"),
        (
            "{patch_mix.betta: 1.0}",
            "patch_mix.betta: this study does not search that field; did you mean patch_mix.beta?",
        ),
        (
            "{patch_mix.beta: 3.0, smoothing.stage: null}",
            "patch_mix.beta: 3.0 is outside what the study searches",
        ),
        ("{patch_mix.beta: 1.0}", "no value for smoothing.stage, which this study searches"),
        (
            "{patch_mix.beta: 1.0, smoothing.stage: 1}",
            "no value for smoothing.kernel_size, which this study searches",
        ),
    ],
)
def test_a_mistaken_known_point_is_told_by_its_place(path: Path, point: str, complaint: str) -> None:
    search = """
    search:
      patch_mix.beta: {type: float, low: 0.2, high: 2.0}
      smoothing.stage: {type: categorical, choices: [null, 1]}
      smoothing.kernel_size: {type: categorical, choices: [3, 5], when: smoothing.stage}
    """
    enqueue = f"enqueue: [{{patch_mix.beta: 0.5, smoothing.stage: null}}, {point}]\n"
    assert refusal(path, textwrap.dedent(search) + enqueue) == f": enqueue.1: {complaint}"


def test_a_key_written_twice_is_refused_with_its_line(path: Path) -> None:
    twice = "search:\n  patch_mix.beta: {type: float, low: 0.2, high: 2.0}\nsearch: {}\n"
    assert refusal(path, twice) == ": line 3 not valid YAML: the key 'search' is written twice"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ": expected settings as `key: value`, found nothing"),
        ("- search", ": expected settings as `key: value`, found list"),
        ("search: {", ": line 1 not valid YAML"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(path: Path, text: str, complaint: str) -> None:
    assert refusal(path, text).startswith(complaint)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        read_study(tmp_path / "none.yaml")


@pytest.mark.parametrize(("engine", "gpu"), [("triton", 0), ("mamba", 0), ("numba", 0.5)])
def test_a_scan_engine_of_another_device_is_refused_before_a_study_starts(engine: str, gpu: float) -> None:
    content = {
        "search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}},
        "recipe": {"backbone": {"scan_engine": engine}},
        "resources": {"gpu": gpu},
    }
    with pytest.raises(ConfigError, match=f"recipe.backbone.scan_engine: {engine} runs on .* use auto"):
        parse(StudyConfig, content, "study")
    parse(StudyConfig, content | {"resources": {"gpu": 0 if gpu else 1}}, "study")


@pytest.mark.parametrize(("name", "field"), [("CPU", "cpu"), ("GPU", "gpu")])
def test_a_custom_resource_that_has_a_field_of_its_own_is_refused(name: str, field: str) -> None:
    with pytest.raises(ConfigError, match=rf"resources\.custom: {name} .* write it as resources\.{field}"):
        parse(StudyConfig, {"search": BETA, "resources": {"custom": {name: 1}}}, "study")


@pytest.mark.parametrize("resources", [{"cpu": 0.00002}, {"gpu": 0.00002}, {"custom": {"a100": 0.00002}}])
def test_a_share_of_a_resource_that_ray_does_not_count_is_refused(resources: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"resources\.\w+.* 0\.0001"):
        parse(StudyConfig, {"search": BETA, "resources": resources}, "study")


@pytest.mark.parametrize("patience", [0, -1, "10 minutes", float("inf")])
def test_another_patience_is_refused(patience: float | str) -> None:
    content = {
        "search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}},
        "resources": {"patience": patience},
    }
    with pytest.raises(ConfigError, match=r"resources\.patience.*"):
        parse(StudyConfig, content, "study")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"protocol": "published", "recipe": {"selection": "last"}},
            "the best epoch on the test part counts",
        ),
        (
            {"protocol": "published", "recipe": {"folds": {"fold": 0}}},
            "trains on the whole official training part",
        ),
        ({"protocol": "published", "leak": True}, "leak: is of honest studies"),
        (
            {"protocol": "published", "folds": "all"},
            "folds: all: a study with `protocol: published` holds nobody out, so there are no folds",
        ),
        (
            {"protocol": "published", "finishes": {"study": "a", "study_id": "b", "configuration": 0}},
            "finishes: is of honest studies",
        ),
        ({"protocol": "papers"}, "protocol"),
        ({"leak": "often"}, "leak"),
        ({"recipe": {"folds": {"fold": None}}}, "holds nobody out"),
    ],
)
def test_a_study_that_mixes_protocols_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        parse(StudyConfig, {"search": BETA, **settings}, "study")


def test_a_task_that_there_is_not_is_answered_with_those_there_are(path: Path) -> None:
    complaint = refusal(path, "task: 3-1\nsearch:\n  patch_mix.beta: {type: float, low: 0.2, high: 2.0}\n")
    assert complaint == (
        ": task: no task is called '3-1'; expected one of icbhi, 1-1, 1-2, 2-1, 2-2, or one of your own as module:NAME"
    )


@pytest.mark.parametrize(
    ("choices", "complaint"),
    [
        (
            "[none, 9]",
            "'none' and 9 make no recipe: smoothing.stage: must be a whole number or null or a list such as [1, 2, 3], "
            "got 'none'; write null for none; smoothing.stage: dass tiny has stages 0 to 3",
        ),
        ("[1, none]", "'none' makes no recipe: smoothing.stage: must be a whole number or null or a list"),
    ],
)
def test_wrong_choices_are_told_once_of_their_field_and_of_no_other(
    path: Path, choices: str, complaint: str
) -> None:
    text = f"""
        recipe: {{backbone: {{variant: tiny}}}}
        search:
          optimiser.learning_rate: {{type: float, low: 5.0e-5, high: 1.0e-3}}
          smoothing.stage: {{type: categorical, choices: {choices}}}
          smoothing.kernel_size: {{type: categorical, choices: [3, 5], when: smoothing.stage}}
    """
    assert refusal(path, text).startswith(f": search.smoothing.stage: {complaint}")
    assert len(refusal(path, text).splitlines()) == 1
    temperatures = "patch_mix.temperature: {type: categorical, choices: [-1, 0.2]}"
    both = text.replace("smoothing.kernel_size:", f"{temperatures}\n          smoothing.kernel_size:")
    first, second = refusal(path, both).splitlines()
    assert first.startswith(f": search.smoothing.stage: {complaint}")
    assert second.startswith(": search.patch_mix.temperature: -1 makes no recipe: patch_mix.temperature: ")
