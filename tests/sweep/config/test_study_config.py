"""Study files: what is read, and what a mistake in one is answered with."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.settings import Config, ConfigError, parse, read_yaml
from data.task import TASKS
from model.training.recipe import Recipe
from sweep.config.study_config import LEAKS, PUBLISHED, StudyConfig, read_study
from sweep.config.study_parts import SyntheticConfig

SEARCH_SPACES = Path(__file__).parents[3] / "search_spaces"
SHIPPED = sorted(SEARCH_SPACES.glob("*.yaml"))
BETA: dict[str, Any] = {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}


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


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_study_reads_and_says_how_to_run_it(shipped: Path) -> None:
    config = read_study(shipped)
    assert config.seeds == (1, 2, 3, 4, 5)
    opening = [line for line in shipped.read_text().splitlines() if line.startswith("#")]
    assert any(f"respsweep run search_spaces/{shipped.name}" in line for line in opening)


def test_these_studies_are_shipped() -> None:
    assert {shipped.name for shipped in SHIPPED} == {
        "lung_srad.yaml",
        "paper_fig3.yaml",
        "quickstart.yaml",
        "sprsound_quick.yaml",
    }


def test_figure_3_is_sixteen_points_around_the_published_one() -> None:
    config = read_study(SEARCH_SPACES / "paper_fig3.yaml")
    points = config.space.axis_points()
    assert len(points) == config.budget.configurations == 16
    assert config.space.recipe(points[0]) == parse(Recipe, {}, "recipe")


def test_a_study_starts_from_the_published_point() -> None:
    published = {
        "patch_mix.temperature": 0.2,
        "patch_mix.beta": 1.0,
        "smoothing.stage": 2,
        "smoothing.kernel_size": 5,
        "smoothing.sigma": 3.0,
    }
    assert read_study(SEARCH_SPACES / "lung_srad.yaml").enqueue == (published,)
    quickstart = read_study(SEARCH_SPACES / "quickstart.yaml").enqueue
    assert quickstart == ({"optimiser.learning_rate": 5e-5, **published},)


def test_the_little_that_a_study_must_say(path: Path) -> None:
    path.write_text("search:\n  patch_mix.beta: {type: float, low: 0.2, high: 2.0}\n")
    config = read_study(path)
    assert config.data is None
    assert config.sampler.name == "tpe"
    assert config.pruner.name == "forecast"
    assert config.space.recipe({"patch_mix.beta": 0.5}).patch_mix.beta == 0.5


def test_a_task_is_one_of_those_there_are_and_icbhis_where_none_is_named(path: Path) -> None:
    assert parse(StudyConfig, {"search": BETA}, "study").scored_task is TASKS["icbhi"]
    named = parse(StudyConfig, {"search": BETA, "task": "2-2"}, "study")
    assert named.scored_task is TASKS["2-2"]
    assert named.resolved().task == "2-2"
    complaint = refusal(path, "task: 3-1\nsearch:\n  patch_mix.beta: {type: float, low: 0.2, high: 2.0}\n")
    assert complaint == ": task: expected one of icbhi, 1-1, 1-2, 2-1, 2-2, or null, got '3-1'"


def test_recordings_are_a_directory_or_synthetic() -> None:
    assert parse(StudyConfig, {"search": BETA, "data": "breaths"}, "study").data == "breaths"
    synthetic = parse(StudyConfig, {"search": BETA, "data": {"patients": 12}}, "study").data
    assert synthetic == SyntheticConfig(patients=12, seed=0)


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.name)
def test_a_study_written_out_reads_as_the_same(shipped: Path) -> None:
    config = read_study(shipped)
    assert parse(StudyConfig, config.model_dump(mode="json"), "study") == config
    assert parse(StudyConfig, config.model_dump(), "study") == config


def test_numbers_may_be_written_as_1e_3(path: Path) -> None:
    path.write_text("search:\n  optimiser.learning_rate: {type: categorical, choices: [1e-3, 1E-4]}\n")
    (parameter,) = read_study(path).search.values()
    assert parameter.probes() == [0.001, 0.0001]


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


def test_a_list_in_a_known_point_is_one_of_the_choices() -> None:
    axes = {"type": "categorical", "choices": [["time"], ["time", "frequency"]]}
    content = {"search": {"patch_mix.axes": axes}, "enqueue": [{"patch_mix.axes": ["time"]}]}
    config = parse(StudyConfig, content, "study")
    assert config.enqueue == ({"patch_mix.axes": ("time",)},)


def test_what_a_study_file_says_is_in_its_settings(path: Path) -> None:
    path.write_text("search: {patch_mix.beta: {type: float, low: 0.2, high: 2.0}}\nseeds: [3, 4]\n")
    assert set(read_yaml(path)) == {"search", "seeds"}
    assert read_study(path).seeds == (3, 4)


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


@pytest.mark.parametrize("patience", ["auto", 0.5, None])
def test_patience_is_automatic_in_hours_or_endless(patience: float | str | None) -> None:
    content = {"search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}}
    assert parse(StudyConfig, content, "study").resources.patience == "auto"
    config = parse(StudyConfig, content | {"resources": {"patience": patience}}, "study")
    assert config.resources.patience == patience


@pytest.mark.parametrize("patience", [0, -1, "10 minutes", float("inf")])
def test_another_patience_is_refused(patience: float | str) -> None:
    content = {
        "search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}},
        "resources": {"patience": patience},
    }
    with pytest.raises(ConfigError, match=r"resources\.patience.*"):
        parse(StudyConfig, content, "study")


def test_every_number_of_a_study_has_bounds() -> None:
    numbers = [*_numbers(StudyConfig), *_numbers(Recipe)]
    assert len(numbers) > 60
    assert [path for path, schema in numbers if not _bounded(schema)] == []


def _numbers(settings: type[Config]) -> Iterator[tuple[str, dict[str, Any]]]:
    schema = settings.model_json_schema()
    # Values of searched fields are bounded by the recipe.
    ranges = ("FloatParameter", "IntParameter", "CategoricalParameter")
    for name, held in {settings.__name__: schema, **schema["$defs"]}.items():
        if name not in ranges:
            for field, inner in held.get("properties", {}).items():
                if field != "enqueue":
                    yield from _leaves(f"{name}.{field}", inner)


def _leaves(path: str, schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, list):
        for inner in schema:
            yield from _leaves(path, inner)
    elif isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield path, schema
        for key in ("anyOf", "items", "prefixItems", "additionalProperties"):
            yield from _leaves(path, schema.get(key))


def _bounded(schema: dict[str, Any]) -> bool:
    return any(word in schema for word in ("minimum", "exclusiveMinimum")) and any(
        word in schema for word in ("maximum", "exclusiveMaximum")
    )


def test_relative_weights_mean_the_same_file_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = "backbone.pretrained"
    config = StudyConfig.model_validate(
        {
            "recipe": {"backbone": {"pretrained": "weights/fixed.pth"}},
            "search": {
                weights: {"type": "categorical", "choices": [None, "weights/a.pth", "author/name"]},
                "patch_mix.beta": {
                    "type": "float",
                    "low": 1.0,
                    "high": 2.0,
                    "when": {weights: ["weights/a.pth"]},
                },
            },
            "enqueue": [{weights: "weights/a.pth", "patch_mix.beta": 1.5}, {weights: None}],
        }
    ).resolved()
    there = str(tmp_path / "weights" / "a.pth")
    assert config.recipe["backbone"]["pretrained"] == str(tmp_path / "weights" / "fixed.pth")
    assert config.search[weights].probes() == [None, there, "author/name"]
    assert config.search["patch_mix.beta"].conditions == {weights: (there,)}
    assert [point[weights] for point in config.enqueue] == [there, None]
    monkeypatch.chdir("/")
    assert config.resolved() == config


def test_objectives_are_numbers_that_units_report_or_that_follow_from_them() -> None:
    search = {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}
    found = {
        objective: StudyConfig.model_validate({"search": search, "objective": objective})
        for objective in ("score", "any_abnormal", "harmonic")
    }
    assert {name: config.objectives for name, config in found.items()} == {
        "score": ("score",),
        "any_abnormal": ("any_abnormal_score",),
        "harmonic": ("harmonic_score",),
    }
    assert all(config.ranking_objective == name for name, config in found.items())
    both = StudyConfig.model_validate({"search": search, "objective": ["sensitivity", "specificity"]})
    assert (both.ranking_objective, both.ranking_metric) == ("score", "score")


def test_the_published_protocol_holds_nobody_out_and_counts_the_best_epoch() -> None:
    config = StudyConfig.model_validate({"search": BETA, "protocol": "published"})
    for study in (config, config.resolved(), StudyConfig.model_validate(config.model_dump(mode="json"))):
        recipe = study.any_recipe()
        assert (recipe.folds.fold, recipe.selection) == (None, "best")
        assert not study.holds_out
        assert study.label == PUBLISHED
    assert StudyConfig.model_validate({"search": BETA}).label is None
    assert StudyConfig.model_validate({"search": BETA, "leak": True}).label == LEAKS


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
