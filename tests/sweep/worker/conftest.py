"""Prepared recordings of a dozen made-up patients, without and with a test part that may be read."""

import pytest

from data.settings import parse
from data.synthetic import write_breaths
from evidence.ledger import Seal
from model.training.recipe import Recipe
from sweep.worker.prepared_data import DataPreparation, PreparedData
from tests.sweep.worker.units import RECIPE


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("breaths")
    write_breaths(folder / "data", patients=12, seed=0, cycles=(4, 5))
    return DataPreparation(folder / "data", folder / "cache", progress=False).prepare(
        parse(Recipe, RECIPE, "test")
    )


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Of a study whose reading of the test part at every epoch was written down."""
    folder = tmp_path_factory.mktemp("unsealed")
    write_breaths(folder / "data", patients=12, seed=0, cycles=(4, 5))
    preparation = DataPreparation(folder / "data", folder / "cache", progress=False)
    preparation.unseal(Seal(preparation.data_hash, 1), ["test"])
    return preparation.prepare(parse(Recipe, RECIPE, "test"))
