"""Study files: what is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.bands import BandRanking, ranking_hash, written_ranking
from data.recipe_parts import FeatureConfig
from data.settings import Config, ConfigError, parse, read_yaml
from data.task import TASKS
from model.domain_parts import PatientAlignmentConfig
from model.training.recipe import Recipe
from sweep.config.study_config import LEAKS, PUBLISHED, StudyConfig, read_study
from sweep.config.study_parts import SyntheticConfig

SEARCH_SPACES = Path(__file__).parents[3] / "search_spaces"
SHIPPED = sorted(SEARCH_SPACES.glob("*.yaml"))
BETA: dict[str, Any] = {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.yaml"


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_study_reads_and_says_how_to_run_it(shipped: Path) -> None:
    config = read_study(shipped)
    assert config.seeds == (1, 2, 3, 4, 5)
    written = config.resolved()
    assert written.resolved() == written
    assert all(written.space.recipe(point) == config.space.recipe(point) for point in config.enqueue)
    opening = [line for line in shipped.read_text().splitlines() if line.startswith("#")]
    assert any(f"respsweep run search_spaces/{shipped.name}" in line for line in opening)


def test_these_studies_are_shipped() -> None:
    assert {shipped.name for shipped in SHIPPED} == {
        "age_models.yaml",
        "ast_fine_tuning.yaml",
        "ast_patch_mix.yaml",
        "ast_sam.yaml",
        "beats_fine_tuning.yaml",
        "cnn_tsa_bands.yaml",
        "everything.yaml",
        "frozen_encoder.yaml",
        "lung_srad.yaml",
        "pafa_beats.yaml",
        "paper_fig3.yaml",
        "paper_table2.yaml",
        "patient_aware.yaml",
        "quickstart.yaml",
        "sam_everywhere.yaml",
        "sprsound_quick.yaml",
    }


def test_figure_3_is_sixteen_points_around_the_published_one() -> None:
    config = read_study(SEARCH_SPACES / "paper_fig3.yaml")
    points = config.space.axis_points()
    assert len(points) == config.budget.configurations == 16
    assert config.space.recipe(points[0]) == parse(Recipe, {}, "recipe")


def test_table_2_goes_from_plain_fine_tuning_to_lung_srad() -> None:
    config = read_study(SEARCH_SPACES / "paper_table2.yaml")
    plain, *rows = (config.space.recipe(values) for values in config.enqueue)
    assert len(rows) + 1 == config.budget.configurations == 6
    assert (plain.smoothing.stages, plain.patch_mix.axes) == ((), ())
    assert all(row.smoothing == rows[-1].smoothing for row in rows)
    assert [row.patch_mix.axes for row in rows[:-1]] == [(), ("cells",), ("frequency",), ("time",)]
    assert rows[-1] == parse(Recipe, {}, "recipe")


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


def test_the_studies_of_ast_start_from_the_published_systems() -> None:
    first = {}
    for name in ("ast_fine_tuning", "ast_patch_mix", "ast_sam"):
        config = read_study(SEARCH_SPACES / f"{name}.yaml")
        first[name] = recipe = config.space.recipe(config.enqueue[0])
        assert (recipe.backbone.title, recipe.batch_size, recipe.features.norm) == ("ast base", 8, "audioset")
        assert recipe.backbone.position_layout == "correct"
    fine_tuning, patch_mix, sam = first.values()
    for recipe in (fine_tuning, patch_mix):
        assert (recipe.features.input_shape, recipe.epochs) == ((798, 128), 50)
        optimiser = recipe.optimiser
        assert (optimiser.name, optimiser.learning_rate, optimiser.weight_decay) == ("adam", 5e-5, 1e-6)
        assert (optimiser.schedule, optimiser.final_fraction, optimiser.weight_blend) == ("cosine", 1e-3, 0.5)
        assert optimiser.sam_rho == 0
    assert (fine_tuning.loss.class_weights, fine_tuning.patch_mix.axes) == ("inverse_frequency", ())
    contrast = patch_mix.patch_mix
    assert (contrast.axes, contrast.temperature, contrast.beta) == (("cells",), 0.06, 1.0)
    assert (contrast.form, patch_mix.loss.class_weights) == ("reference", "none")
    assert (sam.backbone.pooling, sam.backbone.dropout) == ("token_mean", 0.3)
    assert (sam.features.input_shape, sam.features.fill, sam.features.fade) == (
        (1024, 128),
        "raw_zero",
        False,
    )
    assert (sam.optimiser.name, sam.optimiser.sam_rho, sam.optimiser.sam_adaptive) == ("adamw", 0.05, False)
    assert (sam.optimiser.learning_rate, sam.optimiser.weight_decay) == (1e-5, 1e-4)
    assert (sam.optimiser.schedule, sam.optimiser.weight_blend, sam.epochs) == ("constant", 0.0, 20)
    assert (sam.sampling.name, sam.sampling.power, sam.loss.label_smoothing) == ("weighted", 1.0, 0.1)
    assert (sam.waveform_augment.gain, sam.waveform_augment.noise) == (0.1, 1e-4)
    assert sam.augment.probability == 0


def test_the_study_of_losses_over_patients_and_devices_starts_from_their_published_points() -> None:
    config = read_study(SEARCH_SPACES / "patient_aware.yaml")
    pafa, sg_scl, adversarial, *_, plain = (config.space.recipe(point) for point in config.enqueue)
    for recipe in (pafa, sg_scl, adversarial, plain):
        assert (recipe.backbone.title, recipe.epochs, recipe.loss.class_weights) == ("ast base", 50, "none")
        optimiser = recipe.optimiser
        assert (optimiser.name, optimiser.learning_rate, optimiser.weight_decay) == ("adam", 5e-5, 1e-6)
        assert (optimiser.schedule, optimiser.weight_blend) == ("cosine", 0.5)
    patients = pafa.patient_alignment
    assert (patients.cohesion_weight, patients.alignment_weight) == (0.5 * 10, 0.5 * 0.01)
    assert (pafa.batch_size, pafa.features.duration_s, pafa.augment.probability) == (32, 5, 0)
    assert not pafa.device_contrast.is_on
    devices = sg_scl.device_contrast
    assert (devices.weight, devices.temperature, devices.views, devices.reversed) == (1, 0.06, 2, False)
    assert (devices.adversarial_weight, sg_scl.patient_alignment.is_on) == (0, False)
    assert (sg_scl.batch_size, sg_scl.features.duration_s, sg_scl.augment.probability) == (8, 8, 1)
    assert (adversarial.device_contrast.weight, adversarial.device_contrast.adversarial_weight) == (0, 1)
    assert adversarial.device_contrast.reversal == "constant"
    assert plain.contrasts is None


def test_the_study_of_pafa_on_beats_starts_from_its_published_point_and_the_same_without() -> None:
    config = read_study(SEARCH_SPACES / "pafa_beats.yaml")
    pafa, plain = (config.space.recipe(point) for point in config.enqueue)
    assert (pafa.backbone.title, pafa.batch_size, pafa.epochs) == ("beats base", 32, 100)
    assert (pafa.features.duration_s, pafa.features.norm, pafa.augment.probability) == (5, "beats", 0)
    optimiser, patients = pafa.optimiser, pafa.patient_alignment
    assert (optimiser.name, optimiser.learning_rate, optimiser.weight_decay) == ("adam", 5e-5, 1e-6)
    assert (optimiser.schedule, optimiser.weight_blend) == ("cosine", 0.5)
    assert (patients.cohesion_weight, patients.alignment_weight) == (50, 0.001)
    assert plain == pafa.model_copy(update={"patient_alignment": PatientAlignmentConfig()})


def test_the_study_of_beats_hears_as_beats_was_trained() -> None:
    config = read_study(SEARCH_SPACES / "beats_fine_tuning.yaml")
    recipe = config.space.recipe(config.enqueue[0])
    features = recipe.features
    assert recipe.backbone.title == "beats base"
    assert (features.norm, features.window, features.fade) == ("beats", "povey", True)
    assert (features.sample_rate, features.frame_length_ms, features.frame_shift_ms) == (16000, 25, 10)
    assert (features.low_hz, features.high_hz, features.input_shape) == (20, None, (798, 128))


def test_the_little_that_a_study_must_say(path: Path) -> None:
    path.write_text("search:\n  patch_mix.beta: {type: float, low: 0.2, high: 2.0}\n")
    config = read_study(path)
    assert config.data is None
    assert config.sampler.name == "tpe"
    assert config.pruner.name == "forecast"
    assert config.space.recipe({"patch_mix.beta": 0.5}).patch_mix.beta == 0.5


def test_a_task_is_one_of_those_there_are_and_icbhis_where_none_is_named() -> None:
    assert parse(StudyConfig, {"search": BETA}, "study").scored_task is TASKS["icbhi"]
    named = parse(StudyConfig, {"search": BETA, "task": "2-2"}, "study")
    assert named.scored_task is TASKS["2-2"]
    assert named.resolved().task == "2-2"


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


def test_a_list_in_a_known_point_is_one_of_the_choices() -> None:
    axes = {"type": "categorical", "choices": [["time"], ["time", "frequency"]]}
    content = {"search": {"patch_mix.axes": axes}, "enqueue": [{"patch_mix.axes": ["time"]}]}
    config = parse(StudyConfig, content, "study")
    assert config.enqueue == ({"patch_mix.axes": ("time",)},)


def test_what_a_study_file_says_is_in_its_settings(path: Path) -> None:
    path.write_text("search: {patch_mix.beta: {type: float, low: 0.2, high: 2.0}}\nseeds: [3, 4]\n")
    assert set(read_yaml(path)) == {"search", "seeds"}
    assert read_study(path).seeds == (3, 4)


@pytest.mark.parametrize("patience", ["auto", 0.5, None])
def test_patience_is_automatic_in_hours_or_endless(patience: float | str | None) -> None:
    content = {"search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}}
    assert parse(StudyConfig, content, "study").resources.patience == "auto"
    config = parse(StudyConfig, content | {"resources": {"patience": patience}}, "study")
    assert config.resources.patience == patience


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


def test_a_ranking_of_bands_stands_in_a_study_in_place_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "ranking.json"
    scale = FeatureConfig().mel_scale
    groups = tuple(tuple(range(start, start + 4)) for start in (*range(64, 128, 4), *range(0, 64, 4)))
    file.write_text(written_ranking(BandRanking(groups=groups, scale=scale)))
    content = {
        "recipe": {"features": {"bands": {"ranking": str(file)}}},
        "search": {"features.bands.keep": {"type": "categorical", "choices": [128, 64, 4]}},
    }
    config = parse(StudyConfig, content, "test").resolved()
    assert config.any_recipe().features.kept_bands is None
    file.unlink()
    assert parse(StudyConfig, config.model_dump(mode="json"), "test") == config == config.resolved()
    kept = [config.space.recipe({"features.bands.keep": keep}).features.kept_bands for keep in (128, 64, 4)]
    assert kept == [None, tuple(range(64, 128)), (64, 65, 66, 67)]
    assert ranking_hash(config.recipe) is not None


def test_ranges_of_bands_are_searched_beside_a_recipe_with_all_of_them() -> None:
    ranges = {"type": "categorical", "choices": [[[0, 127]], [[0, 63]], [[0, 15], [32, 47]]]}
    content = {"search": {"features.bands.ranges": ranges}}
    config = parse(StudyConfig, content, "test").resolved()
    points = config.space.grid_points()
    found = [config.space.recipe(point).features.kept_bands for point in points]
    assert found == [None, tuple(range(64)), (*range(16), *range(32, 48))]
    assert points[2] == {"features.bands.ranges": ((0, 15), (32, 47))}
    around = {**content, "recipe": {"features": {"bands": {"ranges": [[0, 63]]}}}, "sampler": "one_at_a_time"}
    first, *others = parse(StudyConfig, around, "test").resolved().space.axis_points()
    assert first == points[1]
    assert others == [points[0], points[2]]


@pytest.mark.parametrize(
    ("bands", "path", "complaint"),
    [
        (
            [0, 1],
            "features.bands.keep",
            "recipe.features.bands: must be settings or null, as the study searches",
        ),
        (None, "features.bands.ranking", "may search features.bands.keep or features.bands.ranges"),
    ],
)
def test_bands_that_cannot_be_searched_are_refused(bands: Any, path: str, complaint: str) -> None:
    content = {
        "recipe": {"features": {"bands": bands}},
        "search": {path: {"type": "categorical", "choices": [4, 8]}},
    }
    with pytest.raises(ConfigError, match=complaint):
        parse(StudyConfig, content, "test")


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


def test_a_study_rests_on_a_recipe_also_where_only_searched_fields_make_one() -> None:
    search = {
        **BETA,
        "backbone.pretrained": {"type": "categorical", "choices": ["one.pth", "two.pth"]},
        "features.norm": {"type": "categorical", "choices": ["audioset"]},
    }
    # Low-rank pairs need weights, and noise needs AudioSet's norm: both are searched.
    recipe = {
        "backbone": {"name": "ast", "lora": {}},
        "waveform_augment": {"noise": 0.1},
        "smoothing": {"stage": None},
    }
    content = {"search": search, "recipe": recipe}
    assert StudyConfig.model_validate(content).any_recipe().backbone.pretrained == "one.pth"
    point = {"patch_mix.beta": 1.0, "backbone.pretrained": "two.pth", "features.norm": "audioset"}
    enqueued = StudyConfig.model_validate({**content, "enqueue": [point]})
    assert enqueued.any_recipe().backbone.pretrained == "two.pth"


def test_a_study_trains_heads_where_every_encoder_is_frozen() -> None:
    frozen = {"frozen": {"encoder": True}, "smoothing": {"stage": None}, "patch_mix": {"axes": []}}
    recipe = {
        **frozen,
        "augment": {"probability": 0},
        "backbone": {"name": "ast", "pretrained": "weights.pth"},
    }
    rates = {"optimiser.learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2}}
    both = {**rates, "frozen.encoder": {"type": "categorical", "choices": [False, True]}}
    assert StudyConfig.model_validate({"recipe": recipe, "search": rates}).trains_heads
    assert not StudyConfig.model_validate({"recipe": recipe, "search": both}).trains_heads
    assert not StudyConfig.model_validate({"search": BETA}).trains_heads
    assert read_study(Path("search_spaces/frozen_encoder.yaml")).trains_heads
