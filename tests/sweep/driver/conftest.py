from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features and weights that the tests of a module prepare are kept in a temporary folder of the module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESPSWEEP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
