"""What is taken for a secret in an address."""

import pytest

from sweep.storage.credentials import holds_secret, secret_in, without_secret


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
        "postgresql://:pw@/runs",
        "s3://key:secret@bucket/lab",
        "s3://key:se/cret@bucket/lab",
        "s3://key:/secret@bucket/lab",
        "s3://AKIAABCDEFGHIJKLMNOP@bucket",
        "git+https://token@host/project",
        "abfs://box:key@account.dfs.core.windows.net/lab",
        "http://host/#access_token=abc",
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
        "postgresql+psycopg2://ann@host/runs",
        "ssh://git@host:22/project",
        "git+ssh://git@host/project",
        "abfs://box@account.dfs.core.windows.net/lab",
        "http://host/?user=a@b",
        "http://host:5000/@ann",
        "http://[fd00::1]/@ann",
        "file:///disk/ann:b@c/runs",
        "postgresql:///runs?host=/run/postgresql&passfile=/home/ann/.pgpass",
        "sqlite:////disk/runs.db",
        "s3://bucket/lab?endpoint_override=127.0.0.1:9000&scheme=http",
        "/disk/ann:b@c/runs",
        "",
    ],
)
def test_names_and_places_are_none(uri: str) -> None:
    assert not holds_secret(uri)


@pytest.mark.parametrize(
    ("uri", "found", "shown"),
    [
        ("s3://key:hunter2@bucket/lab", "a user or password", "s3://bucket/lab"),
        ("s3://key:hunter2/@bucket/lab", "a user or password", "s3://..."),
        ("s3://key:a@hunter2/b@bucket/lab", "a user or password", "s3://..."),
        ("s3://bucket/lab?secret_key=a@hunter2", "`secret_key`", "s3://bucket/lab"),
        ("http://[hunter2@host/lab", "a user or password", "http://host/lab"),
    ],
)
def test_what_is_shown_of_an_address_holds_none(uri: str, found: str, shown: str) -> None:
    assert secret_in(uri) == found
    assert without_secret(uri) == shown
