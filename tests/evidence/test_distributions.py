import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from evidence.distributions import normal_below, normal_density, student_quantile


@pytest.mark.parametrize("probability", [0.01, 0.5, 0.6, 0.9, 0.975, 0.9995])
def test_students_quantiles_are_scipys(probability: float) -> None:
    freedoms = [*range(1, 60), *range(60, 1001, 47), 1000]
    own = [student_quantile(probability, freedom) for freedom in freedoms]
    assert own == pytest.approx([float(stdtrit(freedom, probability)) for freedom in freedoms], abs=1e-8)


@pytest.mark.parametrize(("probability", "freedom"), [(0.0, 4), (1.0, 4), (0.9, 0)])
def test_a_quantile_that_does_not_exist_is_refused(probability: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="between 0 and 1, and there must be at least one degree"):
        student_quantile(probability, freedom)


def test_the_normal_distribution_is_scipys_within_what_is_said() -> None:
    z = np.linspace(-40, 40, 100_003)
    assert normal_below(z) == pytest.approx(ndtr(z), abs=2e-7)
    assert normal_below(np.array([[0.0]])).shape == (1, 1)


def test_the_normal_density_is_the_slope_of_the_distribution() -> None:
    z = np.linspace(-4, 4, 41)
    slope = (ndtr(z + 1e-5) - ndtr(z - 1e-5)) / 2e-5
    assert normal_density(z) == pytest.approx(slope, abs=1e-8)
