"""Which samplers are refused, and when."""

from typing import Any

import pytest

from data.settings import ConfigError
from sweep.search.samplers import check_sampler, proposal_seed
from tests.sweep.search.sweeps import BETA, BOTH, KERNELS, config_of


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"sampler": {"name": "cmaes", "arguments": {"use_separable_cma": True, "with_margin": True}}},
            r"sampler.arguments: Optuna's CmaEsSampler refuses them: ",
        ),
        (
            {"sampler": {"name": "cmaes"}, "objective": BOTH},
            r"sampler: cmaes searches for one objective; tpe, gp and nsga2 search for two",
        ),
        (
            {"sampler": {"name": "cmaes"}, "search": {"smoothing.kernel_size": KERNELS}},
            r"sampler: cmaes needs a range to move in",
        ),
    ],
)
def test_a_sampler_that_cannot_search_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        check_sampler(config_of(**{"search": {"patch_mix.beta": BETA}, **settings}))


def test_every_proposal_has_a_seed_of_its_own() -> None:
    seeds = {
        proposal_seed(study, number, attempt) for study in (0, 1) for number in (0, 1) for attempt in (0, 1)
    }
    assert len(seeds) == 8
    assert proposal_seed(0, 1, 0) == proposal_seed(0, 1, 0) < 2**32
