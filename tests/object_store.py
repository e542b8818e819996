"""A real S3 server on the loopback interface that can be away for a while, for the tests that need one."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

BUCKET = "bucket"


class S3:
    """moto's server behind a door of our own, which can be shut: the server and what it holds stay."""

    def __init__(self) -> None:
        # Imported here, as every test run reads this file.
        import boto3
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        _put_in_one_step()
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self._port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self._door = Door(self._port)
        self.address = f"127.0.0.1:{self._door.port}"

    def place(self, name: str) -> str:
        return f"s3://{BUCKET}/{name}"

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Takes every call and answers none."""
        self._door.silent = True
        try:
            yield
        finally:
            self._door.silent = False

    @contextlib.contextmanager
    def without_conditions(self, *headers: str) -> Iterator[None]:
        """Does not know the headers of conditional writes, or these of them, as older servers that speak S3."""
        self._door.unknown = [f"{header}:".encode() for header in headers or ("if-none-match", "if-match")]
        try:
            yield
        finally:
            self._door.unknown = []

    def names(self) -> list[str]:
        """Of the files in the bucket; S3's stand-ins for empty folders are none."""
        found = self._client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [one["Key"] for one in found if not one["Key"].endswith("/")]

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        self._door.shut()
        try:
            yield
        finally:
            self._door.open()

    def empty(self) -> None:
        self._client.create_bucket(Bucket=BUCKET)
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for found in page.get("Contents", []):
                self._client.delete_object(Bucket=BUCKET, Key=found["Key"])

    def close(self) -> None:
        self._door.shut()
        self._server.stop()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    server = S3()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """An empty bucket, and the environment in which every client finds it."""
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{s3_server.address}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    s3_server.empty()
    return s3_server


def _put_in_one_step() -> None:
    """Let moto look at a file's version and write the next one in one step, as stores do.

    moto takes two, and a request that another of its threads serves may come in between.
    """
    from moto.s3.responses import S3Response

    put, one_at_a_time = S3Response.put_object, threading.Lock()

    def put_alone(self: Any) -> Any:
        with one_at_a_time:
            return put(self)

    S3Response.put_object = put_alone


class Door:
    """A TCP proxy to a port of this machine."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.port = 0
        self.silent = False
        self.unknown: list[bytes] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.open()

    def open(self) -> None:
        self._call(self._listen())

    def shut(self) -> None:
        self._call(self._hang_up())

    def _call(self, doing: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result(30)

    async def _listen(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            await asyncio.gather(self._pump(reader, to_writer), self._pump(to_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, to_writer):
                end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while content := await source.read(65536):
            if not self.silent:
                for header in self.unknown:
                    content = content.replace(header, b"x-" + header[2:])
                target.write(content)
                await target.drain()
        target.write_eof()
