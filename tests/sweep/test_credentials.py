"""What is taken for a secret in an address."""

import pytest

from sweep.credentials import holds_secret


@pytest.mark.parametrize(
    "uri",
    [
        "http://ann:pw@host:5000",
        "https://token@host",
        "HTTP://ann:pw@host",
        "http://ann:p/w#@host:5000",
        "http://ann:p@w@host",
        "postgresql://ann:pw@host/runs",
        "postgresql://ann:p/w?@host/runs",
        "postgresql+psycopg2://:pw@/runs",
        "postgresql://ann@host/runs?password=pw",
        "postgresql://ann@host/runs?sslmode=require&sslpassword=pw",
        "s3://key:secret@bucket/lab",
        "s3://bucket/lab?secret_key=abc",
        "http://host:5000/?access_token=abc",
        "http://host?api_key=abc",
    ],
)
def test_what_only_its_user_should_know_is_a_secret(uri: str) -> None:
    assert holds_secret(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000",
        "https://mlflow.example.org/lab",
        "http://[fd00::1]:5000",
        "postgresql://ann@host:5432/runs",
        "postgresql:///runs?host=/run/postgresql&passfile=/home/ann/.pgpass",
        "sqlite:////disk/runs.db",
        "s3://bucket/lab?endpoint_override=127.0.0.1:9000&scheme=http",
        "/disk/ann:b@c/runs",
        "",
    ],
)
def test_names_and_places_are_none(uri: str) -> None:
    assert not holds_secret(uri)
