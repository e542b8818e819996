"""Rules on hand-made boards, in races played to their end, and in a small simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.settings import Config, ConfigError, parse
from sweep.study.racing import ContendersConfig, NoRacingConfig, Race, RacingConfig, Verdict, verdict

RULES = [ContendersConfig(), NoRacingConfig()]
every_rule = pytest.mark.parametrize("config", RULES, ids=lambda config: config.name)
SEEDS = 5


def race_of(*rows: list[float], closed: tuple[int, ...] = ()) -> Race:
    """Finished scores by row, nothing under way, all rows open but the `closed` ones."""
    scores = np.full((len(rows), SEEDS), np.nan)
    for row, finished in enumerate(rows):
        scores[row, : len(finished)] = finished
    started = np.array([len(finished) for finished in rows])
    return Race(scores, started, ~np.isin(np.arange(len(rows)), closed))


# Four in front with two seeds each, four points ahead of a crowd with one; the seed deviation is about a point.
FRONT = [[0.64, 0.66], [0.64, 0.65], [0.65, 0.63], [0.63, 0.64]]
CROWD = [[0.60], [0.60], [0.60], [0.60]]


# --- contenders ---


def test_a_contender_may_end_ahead_of_the_best() -> None:
    # One squared difference of 0.02, so that s^2 = (4 * 0.015^2 + 0.0002) / 5 = 0.00022. The best has 0.65 on two of
    # five seeds: z = -0.04 / (s sqrt(4/5 + 3/10)) = -2.57 for 0.61 on one, -1.29 for 0.63.
    race = race_of([0.64, 0.66], [0.63], [0.61], [0.632], [0.631])
    found = verdict(ContendersConfig(), race)
    assert found.order == (3, 4, 1, 0)
    assert dict(found.behind) == {
        2: "dropped after seed 1: 61.0 % against 64.0 % after as many seeds, P(ahead) = 0.01"
    }


def test_the_fewer_seeds_are_to_come_the_less_a_row_can_catch_up() -> None:
    # 0.01 behind, s = 0.015 at most: on one seed each z = -0.01 / (s sqrt(8/5)); the best complete and four seeds,
    # z = -0.01 / (s sqrt(1/20)) = -3.
    early = race_of([0.63], [0.62])
    late = race_of([0.63] * 5, [0.63] * 5, [0.62] * 4)
    assert 1 in verdict(ContendersConfig(), early).order
    assert 2 in verdict(ContendersConfig(), late).behind


def test_a_lower_p_keeps_more_contenders() -> None:
    race = race_of([0.64, 0.66], [0.63], [0.61], [0.60])
    assert 2 in verdict(ContendersConfig(p=0.005), race).order
    assert 2 in verdict(ContendersConfig(), race).behind


def test_fewest_seeds_go_first_then_the_better_mean() -> None:
    found = verdict(ContendersConfig(), race_of([0.60, 0.61], [0.60, 0.62], [0.60], [0.61]))
    assert found.order == (3, 2, 1, 0)


def test_a_contender_must_be_among_the_best_share() -> None:
    race = race_of(*([0.60 + 0.0001 * row] for row in range(100)))
    found = verdict(ContendersConfig(), race)
    assert set(found.order) == set(range(55, 100))
    assert found.behind[54] == (
        "dropped after seed 1: 60.5 % against 61.0 % after as many seeds, P(ahead) = 0.41, rank 46 of 100 where 45 go on"
    )


def test_few_are_not_thinned_out_by_the_share() -> None:
    race = race_of(*([0.60 + 0.0001 * row] for row in range(6)))
    assert set(verdict(ContendersConfig(), race).order) == {2, 3, 4, 5}


def test_who_cannot_catch_up_is_given_up_for_good() -> None:
    found = verdict(ContendersConfig(), race_of(*FRONT, *CROWD))
    # s^2 = (4 * 0.015^2 + 0.0005) / 8 = 0.000175; -0.05 / (s sqrt(4/5 + 3/10)) = -3.60.
    reason = "dropped after seed 1: 60.0 % against 64.0 % after as many seeds, P(ahead) < 0.01"
    assert dict(found.dropped) == dict.fromkeys((4, 5, 6, 7), reason)
    assert not found.behind


def test_nobody_is_given_up_for_good_while_little_is_known() -> None:
    seven_rows = verdict(ContendersConfig(), race_of(*FRONT, *CROWD[:3]))
    three_degrees = verdict(ContendersConfig(), race_of(*FRONT[:3], *CROWD, [0.60]))
    assert not seven_rows.dropped
    assert not three_degrees.dropped
    assert set(seven_rows.behind) == {4, 5, 6}
    assert set(three_degrees.behind) == {3, 4, 5, 6, 7}


def test_a_wide_deviation_between_seeds_keeps_more_in_the_race() -> None:
    narrow = race_of([0.65, 0.65], [0.64, 0.64], [0.64, 0.64], [0.60])
    wide = race_of([0.69, 0.61], [0.68, 0.60], [0.68, 0.60], [0.60])
    assert 3 in verdict(ContendersConfig(), narrow).behind
    assert 3 in verdict(ContendersConfig(), wide).order


def test_a_bad_tail_changes_nothing_at_the_top() -> None:
    good = race_of(*FRONT, [0.63], [0.61])
    with_tail = race_of(*FRONT, [0.63], [0.61], [0.20], [0.50], [0.01])
    # The same number of places for both: nine rows have more by `share`.
    rule = ContendersConfig(at_least=5)
    assert verdict(rule, good).order == verdict(rule, with_tail).order


def test_a_row_that_failed_informs_but_is_not_the_best() -> None:
    race = race_of([0.90], [0.60], [0.61], [0.62], [0.60], closed=(0,))
    found = verdict(ContendersConfig(), race)
    assert set(found.order) == {1, 2, 3, 4}


# --- all rules ---


@every_rule
def test_the_best_two_get_their_seeds_whatever_the_rule_says(config: RacingConfig) -> None:
    # The second is 20 points behind, but there is no better second.
    done = [0.80, 0.81, 0.80, 0.81, 0.80]
    found = verdict(config, race_of(done, [0.6, 0.6, 0.6, 0.6], *([[0.1, 0.1, 0.1, 0.1]] * 9)))
    assert 1 in found.order + found.finalists
    assert 1 not in found.dropped
    assert 1 not in found.behind


def test_a_third_gets_seeds_only_while_it_may_win() -> None:
    done = [0.80, 0.81, 0.80, 0.81, 0.80]
    behind, close = race_of(done, done, [0.78] * 4), race_of(done, done, [0.803] * 4)
    assert verdict(ContendersConfig(), behind).finalists == ()
    assert 2 in verdict(ContendersConfig(), behind).behind
    assert verdict(ContendersConfig(), close).order == (2,)


def test_finalists_are_not_among_those_that_deserve_a_seed() -> None:
    done = [0.80, 0.81, 0.80, 0.81, 0.80]
    found = verdict(ContendersConfig(), race_of(done, [0.60], [0.70], [0.60, 0.61]))
    assert found.order == ()
    assert found.finalists == (2,)
    assert set(found.behind) == {1, 3}


@every_rule
def test_who_has_no_finished_seed_or_none_left_to_start_is_not_judged(config: RacingConfig) -> None:
    scores = np.array([[0.6, 0.6, np.nan], [np.nan, np.nan, np.nan], [0.6, 0.6, 0.6], [0.1, np.nan, np.nan]])
    race = Race(scores, np.array([3, 1, 3, 1]), np.array([True, True, True, False]))
    assert verdict(config, race) == Verdict((), (), {}, {})


@every_rule
@pytest.mark.parametrize("rows", [0, 3])
def test_a_race_without_scores_has_no_verdict(config: RacingConfig, rows: int) -> None:
    race = Race(np.full((rows, SEEDS), np.nan), np.zeros(rows, dtype=int), np.ones(rows, dtype=bool))
    assert verdict(config, race) == Verdict((), (), {}, {})


def test_without_racing_a_configuration_gets_all_seeds_before_the_next() -> None:
    found = verdict(NoRacingConfig(), race_of([0.1], [0.6, 0.6], [0.9, 0.9, 0.9, 0.9, 0.9], [0.3]))
    assert found.order == (0, 1, 3)


class Settings(Config):
    """Stands for a study file."""

    racing: RacingConfig


def test_rules_are_read_by_name() -> None:
    read = [parse(Settings, {"racing": {"name": rule.name}}, "a.yaml").racing for rule in RULES]
    assert read == RULES
    given = parse(Settings, {"racing": {"name": "contenders", "p": 0.2}}, "a.yaml")
    assert given.racing == ContendersConfig(p=0.2)
    with pytest.raises(
        ConfigError, match=r"^a.yaml: racing.name: must be one of 'contenders', 'none', got 'race'$"
    ):
        parse(Settings, {"racing": {"name": "race"}}, "a.yaml")


@pytest.mark.parametrize("name", ["pooled_z", "wilcoxon", "halving"])
def test_a_rule_of_former_versions_is_refused_with_what_to_write_instead(name: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(Settings, {"racing": {"name": name, "p": 0.1}}, "a.yaml")
    assert str(refusal.value).startswith(f"a.yaml: racing: the rule {name} is no longer offered, ")
    assert "write {name: contenders}, or {name: none} for all seeds" in str(refusal.value)
    assert "\n" not in str(refusal.value)


# --- two objectives ---


def two_objectives(*rows: list[tuple[float, float]]) -> Race:
    objectives = np.full((len(rows), SEEDS, 2), np.nan)
    for row, finished in enumerate(rows):
        objectives[row, : len(finished)] = finished
    started = np.array([len(finished) for finished in rows])
    return Race(objectives.mean(2), started, np.ones(len(rows), dtype=bool), objectives)


# Three complete rows ahead by score, at the middle of the front.
MIDDLE = [[(0.70, 0.70)] * SEEDS, [(0.71, 0.69)] * SEEDS, [(0.69, 0.71)] * SEEDS]


def test_the_front_gets_all_its_seeds_though_its_score_is_low() -> None:
    race = two_objectives(*MIDDLE, [(0.80, 0.20)] * 3, [(0.40, 0.20)])
    found = verdict(ContendersConfig(), race)
    assert found.order == (3,)
    assert set(found.behind) == {4}
    assert not verdict(ContendersConfig(), Race(race.scores, race.started, race.open)).order


def test_who_may_be_beaten_in_one_objective_only_is_spared() -> None:
    # s = sqrt(4 * 0.015^2 / 16) = 0.0075 in each objective. A sensitivity of 0.702 will be below 0.71 with a probability
    # of Phi(0.008 / (s sqrt(4/5))) = 0.88, which is not yet 0.9; 0.60 surely is.
    race = two_objectives(*MIDDLE, [(0.702, 0.50)], [(0.60, 0.50)])
    found = verdict(ContendersConfig(), race)
    assert found.order == (3,)
    assert set(found.behind) == {4}


def test_who_is_probably_beaten_in_both_objectives_is_not_given_up_for_good() -> None:
    # By score both rows are lost, z < -0.05 / (0.0075 sqrt(4/5)). In sensitivity 0.690 will be below 0.71 with
    # Phi(0.02 / (0.0075 sqrt(4/5))) = 0.9986, 0.696 with 0.9815 only.
    crowd = [[(0.30, 0.30)]] * 4
    found = verdict(ContendersConfig(), two_objectives(*MIDDLE, [(0.690, 0.60)], [(0.696, 0.60)], *crowd))
    assert found.order == ()
    assert set(found.behind) == {4}
    assert set(found.dropped) == {3, 5, 6, 7, 8}


def test_a_row_that_failed_is_not_on_the_front() -> None:
    race = two_objectives(*MIDDLE, [(0.99, 0.99)], [(0.80, 0.20)])
    race.open[3] = False
    assert verdict(ContendersConfig(), race).order == (4,)


def test_of_those_that_always_answer_normal_one_gets_all_its_seeds() -> None:
    race = two_objectives(*MIDDLE, [(0.0, 1.0)] * 2, [(0.0, 1.0)] * 2)
    found = verdict(ContendersConfig(), race)
    assert found.order == (3,)
    assert set(found.behind) == {4}


# --- races played to their end ---


def played(
    config: RacingConfig, scores: np.ndarray, objectives: np.ndarray | None = None
) -> tuple[Race, Verdict]:
    """The race once nobody gets a seed any more; first seeds first. A NaN in `scores` is a first seed pruned."""
    rows = len(scores)
    shown = np.full_like(scores, np.nan)
    shown[:, 0] = scores[:, 0]
    both = None if objectives is None else np.where(np.isnan(shown)[..., None], np.nan, objectives)
    race = Race(shown, np.ones(rows, dtype=int), ~np.isnan(scores[:, 0]), both)
    while True:
        found = verdict(config, race)
        race.open[list(found.dropped)] = False
        wanted = found.order + found.finalists
        if not wanted:
            return race, found
        row = wanted[0]
        seed = race.started[row]
        race.scores[row, seed] = scores[row, seed]
        if race.objectives is not None and objectives is not None:
            race.objectives[row, seed] = objectives[row, seed]
        race.started[row] += 1


def complete(race: Race) -> np.ndarray:
    return np.flatnonzero(np.isfinite(race.scores).all(1))


@st.composite
def score_tables(draw: st.DrawFn, pruned: bool = True) -> np.ndarray:
    """(rows, seeds) on a coarse grid, so that ties are common; some rows lose their first seed."""
    rows, seeds = draw(st.integers(1, 14)), draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    quality = random.normal(0.6, draw(st.sampled_from([0.0, 0.02, 0.2])), (rows, 1))
    scores = (
        (quality + random.normal(0, draw(st.sampled_from([0.0, 0.01, 0.1])), (rows, seeds)))
        .round(2)
        .clip(0, 1)
    )
    if pruned:
        scores[random.random(rows) < draw(st.sampled_from([0.0, 0.4]))] = np.nan
    return scores


rules = st.sampled_from([*RULES, ContendersConfig(p=0.4, p_drop=0.4, share=0.1, at_least=1)])


@settings(deadline=None)
@given(rules, score_tables())
def test_at_the_end_two_rows_have_all_seeds_if_there_are_two(
    config: RacingConfig, scores: np.ndarray
) -> None:
    race, found = played(config, scores)
    left = int((~np.isnan(scores[:, 0])).sum())
    assert len(complete(race)) >= min(2, left)
    incomplete = race.open & (race.started < scores.shape[1])
    assert set(found.behind) == set(np.flatnonzero(incomplete).tolist())
    if isinstance(config, NoRacingConfig):
        assert len(complete(race)) == left


@settings(deadline=None)
@given(rules, score_tables(pruned=False))
def test_at_the_end_the_front_has_all_seeds(config: RacingConfig, sensitivity: np.ndarray) -> None:
    specificity = 1 - sensitivity[::-1] ** 2
    objectives = np.stack([sensitivity, specificity], axis=-1)
    race, _ = played(config, objectives.mean(2), objectives)
    assert race.objectives is not None
    done = complete(race).tolist()
    means = np.nansum(race.objectives, 1) / race.started[:, None]
    for row in np.flatnonzero(race.open):
        beaten = ((means >= means[row]).all(1) & (race.open | np.isin(np.arange(len(means)), done))).sum() > 1
        assert row in done or beaten


@settings(deadline=None)
@given(rules, score_tables(), st.data())
def test_a_row_stands_in_one_place_only_and_only_while_it_is_open(
    config: RacingConfig, scores: np.ndarray, data: st.DataObject
) -> None:
    rows, seeds = scores.shape
    started = np.array(data.draw(st.lists(st.integers(1, seeds), min_size=rows, max_size=rows)))
    finished = np.array([data.draw(st.integers(0, count)) for count in started])
    is_open = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    race = Race(np.where(np.arange(seeds) < finished[:, None], scores, np.nan), started, is_open)
    before = (race.scores.copy(), race.started.copy(), race.open.copy())
    found = verdict(config, race)
    places = [*found.order, *found.finalists, *found.dropped, *found.behind]
    assert len(places) == len(set(places))
    scored = np.isfinite(race.scores).any(1)
    assert set(places) == set(np.flatnonzero(is_open & scored & (started < seeds)).tolist())
    assert all(
        reason.startswith("dropped after seed ")
        for reason in [*found.dropped.values(), *found.behind.values()]
    )
    may_win = scored & (is_open | np.isfinite(race.scores).all(1))
    means = np.where(may_win, np.nansum(race.scores, 1) / np.isfinite(race.scores).sum(1).clip(1), -np.inf)
    second = np.sort(means)[-2:].min()
    assert all(means[row] <= second for row in [*found.dropped, *found.behind])
    for array, copy in zip((race.scores, race.started, race.open), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert verdict(config, race) == found


def test_a_verdict_stands_when_the_board_goes_on() -> None:
    race = race_of(*FRONT, *CROWD)
    found = verdict(ContendersConfig(), race)
    told = dict(found.dropped)
    race.scores[:] = 0.0
    race.started[:] = SEEDS
    assert dict(found.dropped) == told


# --- what it saves ---


def without_tail(random: np.random.Generator) -> np.ndarray:
    return random.normal(0.6, 0.02, 100)


def with_tail(random: np.random.Generator) -> np.ndarray:
    return without_tail(random) - 0.1 * (random.random(100) < 0.2)


def dense_at_the_top(random: np.random.Generator) -> np.ndarray:
    return 0.6 - abs(random.normal(0, 0.02, 100))


@pytest.mark.parametrize("qualities", [without_tail, with_tail, dense_at_the_top])
@pytest.mark.parametrize("seed_deviation", [0.008, 0.015])
def test_contenders_save_most_seeds_and_lose_next_to_nothing(
    qualities: Callable[[np.random.Generator], np.ndarray], seed_deviation: float
) -> None:
    random = np.random.default_rng(0)
    saved, lost = [], []
    for _ in range(60):
        quality = qualities(random)
        scores = quality[:, None] + random.normal(0, seed_deviation, (100, SEEDS))
        race, _ = played(ContendersConfig(), scores)
        saved.append(1 - race.started.sum() / scores.size)
        winner = np.where(
            np.isfinite(race.scores).all(1), np.nan_to_num(race.scores).mean(1), -math.inf
        ).argmax()
        lost.append(quality[scores.mean(1).argmax()] - quality[winner])
    assert np.mean(saved) > 0.6
    assert np.mean(lost) < 0.0005
