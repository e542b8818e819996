"""Errors of a machine that lacks what every unit needs."""

from __future__ import annotations

from data.errors import UserError
from sweep.storage.storage import StorageError
from sweep.worker.prepared_data import DataPreparationError
from sweep.worker.weights import WeightsError


class FullCacheError(UserError):
    """A machine whose cache has no room left."""


MACHINE_ERRORS = DataPreparationError, WeightsError, StorageError, FullCacheError, ImportError
"""Raised for a unit whose machine lacks what every unit needs, our own code among it; another machine may have it."""
