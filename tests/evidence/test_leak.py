"""Known truths: what each habit shows, counted by hand, and how often an interval holds the true mean rise."""

import numpy as np
import pytest

from evidence.leak import HABITS, Leak, LeakedEpochs, leak


def alike(right: np.ndarray, chosen: int = 0, epochs: np.ndarray | None = None) -> LeakedEpochs:
    """Ten patients, ten normal and ten abnormal cycles each; `right`: found of either, without the patients' axis."""
    found = np.repeat(right[..., None], 10, axis=-1)
    last = np.full(right.shape[:2], right.shape[2] - 1)
    return LeakedEpochs(
        np.full(10, 10), np.full(10, 10), found, found, chosen, last if epochs is None else epochs
    )


def rises(found: Leak) -> dict[str, float | None]:
    return {habit: None if rise is None else round(rise.rise, 6) for habit, rise in found.rises.items()}


def test_each_habit_shows_what_it_chooses() -> None:
    # Two configurations, two seeds, three epochs: tenths that are right.
    right = np.array([[[5, 7, 6], [9, 4, 4]], [[6, 6, 6], [2, 2, 8]]])
    found = leak(alike(right), "average")
    assert found.honest == pytest.approx((0.6 + 0.4) / 2)
    shown = {habit: rise.shown for habit, rise in found.rises.items() if rise is not None}
    assert shown == pytest.approx(
        {
            "epoch": (0.7 + 0.9) / 2,
            "configuration": (0.6 + 0.8) / 2,
            "seed": 0.6,
            "all": 0.9,
        }
    )
    assert rises(found) == pytest.approx({"epoch": 0.3, "configuration": 0.2, "seed": 0.1, "all": 0.4})


def test_the_protocols_epoch_need_not_be_the_last() -> None:
    right = np.array([[[5, 7, 6], [9, 4, 4]]])
    found = leak(alike(right, epochs=np.array([[1, 0]])), "average")
    assert found.honest == pytest.approx(0.8)
    assert rises(found) == {"epoch": 0.0, "configuration": None, "seed": 0.1, "all": 0.1}


def test_what_cannot_be_chosen_does_not_rise() -> None:
    found = leak(alike(np.full((1, 1, 1), 6)), "average")
    assert (found.honest, found.rises) == (pytest.approx(0.6), dict.fromkeys(HABITS))


def test_patients_who_all_answer_alike_leave_nothing_uncertain() -> None:
    found = leak(alike(np.array([[[5, 7, 6], [9, 4, 4]], [[6, 6, 6], [2, 2, 8]]])), "average")
    for rise in found.rises.values():
        assert rise is not None
        assert rise.interval == pytest.approx((rise.rise, rise.rise), abs=1e-9)


def test_without_patients_enough_there_is_no_interval_and_without_normal_cycles_no_score() -> None:
    few = LeakedEpochs(
        np.array([5, 5, 5, 5]),
        np.array([5, 5, 5, 5]),
        *np.random.default_rng(1).integers(0, 5, (2, 2, 3, 4, 4)),
        chosen=0,
        epochs=np.full((2, 3), 3),
    )
    assert [rise and rise.interval for rise in leak(few, "average").rises.values()] == [None] * 4
    sick = LeakedEpochs(0 * few.normal, few.abnormal, 0 * few.normal_found, few.abnormal_found, 0, few.epochs)
    with pytest.raises(ValueError, match="no normal or no abnormal cycle"):
        leak(sick, "average")


def test_the_same_seed_draws_the_same_and_memory_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    effects = effects_of(np.random.default_rng(2), 3)
    found = found_in(np.random.default_rng(3), effects, 20)
    whole = leak(found, "challenge", draws=300)
    monkeypatch.setattr("evidence.patient_bootstrap._CELLS", 3000)
    parts = leak(found, "challenge", draws=300)
    other = leak(found, "challenge", draws=300, seed=1)
    for habit in HABITS:
        one, two, three = (each.rises[habit] for each in (whole, parts, other))
        assert one is not None
        assert two is not None
        assert three is not None
        assert one.interval == pytest.approx(two.interval)
        assert one.interval != three.interval
        assert one.rise == three.rise


def effects_of(random: np.random.Generator, configurations: int, spread: float = 0.15) -> np.ndarray:
    """How good networks are at normal and abnormal cycles in each epoch: (2, configurations, 3 seeds, 6 epochs)."""
    of_configuration = random.normal(0, spread, (2, configurations, 1, 1))
    of_seed = random.normal(0, 0.1, (2, configurations, 3, 1))
    return of_configuration + of_seed + random.normal(0, spread, (2, configurations, 3, 6))


def found_in(random: np.random.Generator, effects: np.ndarray, patients: int) -> LeakedEpochs:
    """What such networks find in new patients, who differ, and of whom each network has an opinion of its own."""
    shape = effects.shape[1:]
    cycles = 1 + random.geometric(1 / random.choice([5, 20, 60], patients))
    abnormal = random.binomial(cycles, random.random(patients))
    normal = cycles - abnormal
    found = []
    for effect, total, centre in zip(effects, (normal, abnormal), (1.0, -0.2), strict=True):
        odds = centre + random.normal(0, 0.8, patients) + effect[..., None]
        for axes in ((shape[0], 1, 1), (*shape[:2], 1), shape):
            odds = odds + random.normal(0, 0.3, (*axes, patients))
        found.append(random.binomial(total, 1 / (1 + np.exp(-odds))))
    return LeakedEpochs(normal, abnormal, *found, chosen=0, epochs=np.full(shape[:2], shape[2] - 1))


def mean_rises(effects: np.ndarray, patients: int, repeats: int) -> np.ndarray:
    """The true mean rise by each habit, (habits,): computed anew, from the counts alone."""
    random, rows = np.random.default_rng(9), []
    for _ in range(repeats):
        one = found_in(random, effects, patients)
        scores = (
            one.normal_found.sum(-1) / one.normal.sum() + one.abnormal_found.sum(-1) / one.abnormal.sum()
        ) / 2
        last = scores[:, :, -1]
        shown = (scores[0].max(1).mean(), last.mean(1).max(), last[0].max(), scores.max())
        rows.append(np.array(shown) - last[0].mean())
    return np.mean(rows, axis=0)


def shares_covered(configurations: int, patients: int, worlds: int, repeats: int) -> np.ndarray:
    """How often the interval of each habit's rise holds the true mean rise, (habits,)."""
    held = []
    for world in range(worlds):
        random = np.random.default_rng(100 * patients + 10 * configurations + world)
        effects = effects_of(random, configurations)
        truth = mean_rises(effects, patients, 600)
        for repeat in range(repeats):
            found = leak(found_in(random, effects, patients), "average", draws=300, seed=repeat)
            ends = [rise.interval for rise in found.rises.values() if rise is not None and rise.interval]
            held.append([low <= true <= high for (low, high), true in zip(ends, truth, strict=True)])
    return np.mean(held, axis=0)


def test_intervals_hold_the_true_mean_rise() -> None:
    held = shares_covered(3, 30, worlds=3, repeats=50)
    assert (held >= 0.88).all(), held
    assert held.mean() >= 0.92


@pytest.mark.slow
@pytest.mark.parametrize("patients", [15, 60])
@pytest.mark.parametrize("configurations", [2, 12])
def test_intervals_hold_the_true_mean_rise_with_few_and_many(configurations: int, patients: int) -> None:
    held = shares_covered(configurations, patients, worlds=5, repeats=60)
    assert (held >= 0.86).all(), held
    assert held.mean() >= 0.92
