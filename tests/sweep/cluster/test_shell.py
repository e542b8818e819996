import pytest

from sweep.cluster.shell import calls


def test_a_call_has_the_environment_written_before_it_and_exported_earlier() -> None:
    (call,) = calls("export HEAD=1 MODE=old; MODE=token sudo -u lab /opt/ray start --head")
    assert call.program == "ray"
    assert call.is_call_of("ray", "start")
    assert call.environment == {"HEAD": "1", "MODE": "token"}


def test_an_assignment_before_one_call_does_not_reach_the_next() -> None:
    first, second = calls("MODE=token ray start; ray status")
    assert first.environment == {"MODE": "token"}
    assert second.environment == {}


@pytest.mark.parametrize(
    ("text", "programs"),
    [
        ("ulimit -n 65536; ray start --head", ["ulimit", "ray"]),
        ("mountpoint -q /mnt || sudo mount -t nfs4 a:/ /mnt", ["mountpoint", "mount"]),
        ("cd x && make .venv/ready", ["cd", "make"]),
        ("bash -lc 'MODE=token ray start'", ["ray"]),
        ("echo 'ray start; it' | tee file", ["echo", "tee"]),
        ("ray start \\\n  --head", ["ray"]),
        ("echo it's", ["echo"]),
    ],
)
def test_calls_are_told_apart_as_a_shell_does(text: str, programs: list[str]) -> None:
    assert [call.program for call in calls(text)] == programs


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ray start --port=1", "1"),
        ("ray start --port 1", "1"),
        ("ray start --port=1 --port=2", "2"),
        ("ray start --port --head", ""),
        ("ray start", None),
    ],
)
def test_an_option_has_its_last_value(text: str, value: str | None) -> None:
    assert calls(text)[0].option("--port") == value


@pytest.mark.parametrize(
    ("text", "background", "detached"),
    [
        ("serve 2>&1 > log", False, False),
        ("serve > log 2>&1 &", True, False),
        ("setsid nohup serve >> log 2>&1 < /dev/null &", True, True),
        ("(MODE=token setsid nohup serve >> log 2>&1 &)", True, True),
        ("serve && other", False, False),
    ],
)
def test_a_call_in_the_background_is_told_from_a_redirection(
    text: str, background: bool, detached: bool
) -> None:
    call = calls(text)[0]
    assert (call.background, call.detached) == (background, detached)
