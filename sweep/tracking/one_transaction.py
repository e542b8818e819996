"""Many requests to MLflow as one transaction of its database."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy.orm import Session


class NoTransactionError(Exception):
    """The requests cannot be one transaction."""


@contextlib.contextmanager
def one_transaction(client: MlflowClient) -> Iterator[None]:
    """Make all requests of the block one transaction: it is there whole after the block, or not at all.

    MLflow itself makes about seven of each update of a run, each of which waits for the disk, and begins each with the
    same questions. Raises NoTransactionError when MLflow is a server. A request that MLflow would take back and do in
    another way, such as values of which some are there already, raises, and with it the block.
    """
    store = client._tracking_client.store
    if not isinstance(store, SqlAlchemyStore):
        raise NoTransactionError("MLflow is a server")
    sessions, thread = store.ManagedSessionMaker, threading.get_ident()

    @contextlib.contextmanager
    def same_session(read_only: bool = True) -> Iterator[Session]:
        # MLflow keeps one store of a database for all threads.
        if threading.get_ident() != thread:
            with sessions(read_only=read_only) as another:
                yield another
        else:
            yield session
            session.flush()

    def take_back() -> None:
        raise NoTransactionError("a part was to be taken back")

    with sessions(read_only=False) as session:
        store.ManagedSessionMaker = same_session
        session.commit, session.rollback = session.flush, take_back
        try:
            yield
        finally:
            store.ManagedSessionMaker = sessions
            del session.commit, session.rollback
