import threading

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from sweep.tracking.one_transaction import NoTransactionError, one_transaction

SCORE = Metric("score", 0.5, 2000, 1)


@pytest.fixture(scope="module")
def experiment(database: str) -> str:
    return MlflowClient(database).create_experiment("transactions")


@pytest.fixture
def client(database: str) -> MlflowClient:
    return MlflowClient(database)


def write_whole(client: MlflowClient, experiment: str, kind: str, run: str) -> None:
    """Create a run of a kind, and write a score to `run`, in one transaction."""
    with one_transaction(client):
        client.create_run(experiment, 1000, {"kind": kind}, kind)
        client.log_batch(run, metrics=[SCORE])


def test_requests_of_all_kinds_are_there_after_the_block_and_not_before(
    client: MlflowClient, experiment: str
) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(len(client.search_runs([experiment], "tags.kind = 'all'")))

    with one_transaction(client):
        run = client.create_run(experiment, 1000, {"kind": "all"}, "one").info.run_id
        client.log_batch(run, metrics=[SCORE])
        client.set_terminated(run, "FINISHED", 3000)
        other = threading.Thread(target=look)
        other.start()
        other.join()
    look()
    assert seen == [0, 1]
    found = client.get_run(run)
    assert (found.info.status, found.info.end_time, found.data.metrics) == ("FINISHED", 3000, {"score": 0.5})


def test_of_a_block_that_goes_wrong_nothing_is_left_and_the_next_one_is_whole(
    client: MlflowClient, experiment: str
) -> None:
    with pytest.raises(MlflowException, match="not found"):
        write_whole(client, experiment, "wrong", "0" * 32)
    with one_transaction(client):
        client.create_run(experiment, 1000, {"kind": "wrong"}, "two")
    assert [run.info.run_name for run in client.search_runs([experiment], "tags.kind = 'wrong'")] == ["two"]


def test_what_mlflow_would_take_back_in_part_is_taken_back_whole(
    client: MlflowClient, experiment: str
) -> None:
    run = client.create_run(experiment, 1000, {}, "double").info.run_id
    client.log_batch(run, metrics=[SCORE])
    with pytest.raises(MlflowException, match="taken back"):
        write_whole(client, experiment, "part", run)
    assert client.search_runs([experiment], "tags.kind = 'part'") == []
    client.log_batch(run, metrics=[SCORE])


def test_a_server_offers_no_transaction() -> None:
    with (
        pytest.raises(NoTransactionError, match="MLflow is a server"),
        one_transaction(MlflowClient("http://127.0.0.1:9")),
    ):
        raise AssertionError
