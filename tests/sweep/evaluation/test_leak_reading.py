"""What a study's units answered to the test part at every epoch: apart from the study, once each, and sealed before."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from data.recordings import read_recordings
from data.store import build_store
from evidence.ledger import Seal, read_ledger
from evidence.predictions import answers_of
from evidence.scores import confusion_matrix, score
from model.training.prediction import load_network, predict
from sweep.config.study_config import StudyConfig
from sweep.evaluation.finish import finishing_study
from sweep.evaluation.leak_reading import read_leak
from sweep.evaluation.ledgers import ReadingError
from sweep.evaluation.recordings_of import recordings_of
from sweep.folder.study_folder import StudyFolder
from sweep.worker.unit_results import UnitResultError, read_leaked
from tests.studies import curves, tiny_study
from tests.sweep.evaluation.trained_studies import few_cycles, trained


@pytest.fixture(scope="module")
def _leaky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    with pytest.MonkeyPatch.context() as environment, few_cycles():
        cache = tmp_path_factory.mktemp("cache")
        environment.setenv("RESPSWEEP_CACHE", str(cache))
        studies = tmp_path_factory.mktemp("studies")
        honest = tiny_study(2, budget={"configurations": 1}, seeds=[1])
        trained(studies, "honest", StudyConfig.model_validate(honest))
        leaky = tiny_study(2, budget={"configurations": 2}, leak=True)
        trained(studies, "leaky", StudyConfig.model_validate(leaky))
    return studies, cache


@pytest.fixture
def leaky(_leaky: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    """A study whose units answered the test part, beside one of the same settings whose units did not."""
    studies, cache = _leaky
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    shutil.copytree(cache / "ledgers", tmp_path / "cache" / "ledgers")
    (tmp_path / "cache" / "synthetic").symlink_to(cache / "synthetic")
    return StudyFolder.open(Path(shutil.copytree(studies, tmp_path / "studies")), "leaky")


@pytest.mark.slow
def test_the_study_itself_is_as_if_the_test_part_had_not_been_answered(leaky: StudyFolder) -> None:
    honest = StudyFolder.open(leaky.studies, "honest")
    alone = curves(honest.board())
    assert alone
    assert alone.items() <= curves(leaky.board()).items()
    assert not Path(honest.leak).exists()
    assert not (honest.path / "ledger.jsonl").exists()
    events = [json.dumps(json.loads(line)) for line in leaky.journal.read_text().splitlines()]
    assert not [event for event in events if "leak" in event or '"test' in event]


def test_it_is_sealed_once_before_its_first_unit_and_goes_on_under_that_line(leaky: StudyFolder) -> None:
    (sealed,) = read_ledger(leaky.path / "ledger.jsonl").entries
    assert (sealed.kind, sealed.reads) == ("sealed", "leak")
    assert sealed.content["seeds"] == [1, 2]
    assert sealed.content["settings"]["search"]
    (part,) = read_leak(leaky).parts
    assert part.interval is None
    assert part.remarks[0] == "2 seeds: too few to say what the best seed, or other seeds, would do"
    more = leaky.config().model_copy(update={"seeds": (1, 2, 3)})
    trained(Path(leaky.studies), "leaky", more)
    (again,) = read_ledger(leaky.path / "ledger.jsonl").entries
    assert again == sealed
    found = read_leak(leaky)
    assert found.seeds == 3
    (part,) = found.parts
    assert part.interval is not None
    assert part.interval[0] <= part.leak.honest <= part.interval[1]


def test_every_epoch_is_there_once_and_the_last_is_what_the_weights_answer(
    leaky: StudyFolder, tmp_path: Path
) -> None:
    files = sorted(str(path.relative_to(leaky.leak)) for path in Path(leaky.leak).rglob("*.npy"))
    assert files == [
        f"{number:04}-seed{seed}/epoch-{epoch:04}.npy"
        for number in (0, 1)
        for seed in (1, 2)
        for epoch in (1, 2)
    ]
    best = leaky.board().best()
    assert best is not None
    recordings, recipe = read_recordings(recordings_of(leaky)), leaky.config().space.recipe(best.values)
    seal = Seal(recordings.content_hash(), 1)
    store = build_store(
        recordings, recipe.features, part="test", cache=tmp_path, progress=False, seal=seal, workers=1
    )
    found = read_leak(leaky)
    scores = []
    for seed in (1, 2):
        weights = leaky.units / f"{best.number:04}-seed{seed}" / "weights.safetensors"
        network = load_network(recipe, recordings.task, weights, "cpu")
        probabilities, answers = predict(network, store.examples(), recipe, torch.device("cpu"))
        kept = read_leaked(leaky.leak, best.number, seed, 2)[-1]
        np.testing.assert_array_equal(answers_of(kept), answers)
        np.testing.assert_allclose(kept, probabilities, atol=2e-3)
        scores.append(score(confusion_matrix(store.labels, answers, 4), "average"))
    (part,) = found.parts
    assert (part.part, part.cycles, found.chosen) == ("test", len(store), best.number)
    assert part.leak.honest == pytest.approx(np.mean([one for one in scores if one is not None]))
    seeds = part.leak.rises["seed"]
    assert seeds is not None
    assert seeds.shown == pytest.approx(max(one for one in scores if one is not None))
    assert part.remarks[1:] == (
        "2 configurations with all seeds of 2: too few to say what choosing among many would do; `racing: none` and "
        "`pruner: none` train all of them",
    )


def test_what_is_not_there_or_not_written_down_is_named(leaky: StudyFolder) -> None:
    with pytest.raises(ReadingError, match="its units did not answer the test part"):
        read_leak(StudyFolder.open(leaky.studies, "honest"))
    answers = Path(leaky.leak) / "0000-seed1" / "epoch-0001.npy"
    content = answers.read_bytes()
    answers.unlink()
    with pytest.raises(UnitResultError, match=r"0000-seed1/epoch-0001.npy: no such answers"):
        read_leak(leaky)
    answers.write_bytes(content[:-8])
    with pytest.raises(UnitResultError, match=r"0000-seed1/epoch-0001.npy: not the answers of a unit"):
        read_leak(leaky)
    np.save(answers, np.full((2, 4), 0.25, dtype=np.float16))
    with pytest.raises(UnitResultError, match=r"0000-seed1: epoch 1: expected float16 of shape"):
        read_leak(leaky)
    answers.write_bytes(content)
    (leaky.path / "ledger.jsonl").unlink()
    with pytest.raises(ReadingError, match="no line of its ledger says"):
        read_leak(leaky)


def test_what_finishes_it_reads_the_test_part_at_its_end_alone(leaky: StudyFolder) -> None:
    assert leaky.config().leak
    assert not finishing_study(leaky).leak
