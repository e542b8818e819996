"""Networks of a ranking that are kept, found again, and not taken for those of another ranking."""

import math
from pathlib import Path

import pytest

from sweep.evaluation.kept_networks import KeptNetwork, KeptNetworks

RANKING = {"seed": 1, "recipe_digest": "0123"}
FIRST = KeptNetwork(
    bands=(0, 2), fold=1, score=1 / 3, importances=((0.1, -0.7), (math.pi / 4, 0.0)), method="grad_cam"
)


def read(path: Path | None) -> KeptNetworks:
    kept = KeptNetworks(path)
    kept.read(RANKING)
    return kept


def test_networks_are_found_again_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "ranking.json.networks"
    kept = read(path)
    kept.add(FIRST)
    kept.add(FIRST.model_copy(update={"fold": 0}))
    # Before it is read, as when recordings are still prepared, nobody knows of which ranking it is.
    assert KeptNetworks(path).left() == f"no network was finished; {path} stays as it was before"
    again = read(path)
    assert len(again) == 2
    assert again.get((0, 2), 1) == FIRST
    assert again.get((0, 1), 1) is None


@pytest.mark.parametrize(
    "content", ['{"seed": 2, "recipe_digest": "0123"}\n', "", "[\n", "\x00", "[" * 10**5]
)
def test_networks_of_another_ranking_or_what_is_none_are_not_taken_and_are_replaced(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "ranking.json.networks"
    path.write_text(content)
    kept = read(path)
    assert kept.of_another
    assert len(kept) == 0
    assert path.read_text() == content
    assert kept.left() == f"no network was finished; {path} stays as it was before"
    kept.add(FIRST)
    assert kept.left() == f"finished networks are kept in {path}: the same command goes on from there"
    assert read(path).get((0, 2), 1) == FIRST


def test_without_a_file_nothing_is_kept(tmp_path: Path) -> None:
    kept = read(None)
    kept.add(FIRST)
    assert kept.get((0, 2), 1) == FIRST
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("in_a_file", [False, True])
def test_of_another_ranking_that_is_asked_for_next_nothing_is_known(tmp_path: Path, in_a_file: bool) -> None:
    kept = read(tmp_path / "ranking.json.networks" if in_a_file else None)
    kept.add(FIRST)
    kept.remove()
    kept.read({**RANKING, "seed": 2})
    assert kept.get((0, 2), 1) is None
    assert not kept.of_another


def test_a_network_that_could_not_be_written_is_not_said_to_be_kept(tmp_path: Path) -> None:
    kept = read(tmp_path / "none" / "ranking.json.networks")
    with pytest.raises(FileNotFoundError):
        kept.add(FIRST)
    assert kept.left() == "no network was finished, so nothing is kept"
