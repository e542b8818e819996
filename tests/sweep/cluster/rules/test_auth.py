from pathlib import Path

import pytest

from sweep.cluster.surroundings import Surroundings


@pytest.mark.parametrize("key", ["head_start_ray_commands", "worker_start_ray_commands"])
@pytest.mark.parametrize(
    ("mode", "found"),
    [("", "ray start without RAY_AUTH_MODE"), ("RAY_AUTH_MODE=disabled ", "RAY_AUTH_MODE=disabled")],
)
def test_ray_without_a_token_is_an_error_on_head_and_workers(
    launcher, key: str, mode: str, found: str
) -> None:
    def spoil(file) -> None:
        file[key] = [text.replace("RAY_AUTH_MODE=token ", mode) for text in file[key]]

    (finding,) = launcher(spoil)
    assert (finding.level, finding.where, finding.found) == ("error", f"{key}.0", found)


def test_an_exported_mode_counts(launcher) -> None:
    def export(file) -> None:
        file["worker_start_ray_commands"][0] = (
            "export RAY_AUTH_MODE=token; ray start --address=$RAY_HEAD_IP:6379"
        )

    assert launcher(export) == []


def test_rays_own_start_commands_are_an_error(launcher) -> None:
    findings = launcher(lambda file: file.pop("head_start_ray_commands"))
    assert [finding.where for finding in findings if finding.level == "error"] == ["head_start_ray_commands"]


def test_a_script_that_starts_ray_cannot_be_read(launcher) -> None:
    (finding,) = launcher(
        lambda file: file.update(worker_start_ray_commands=["~/start.sh", "respsweep cluster watch"])
    )
    assert (finding.level, finding.where) == ("warning", "worker_start_ray_commands")


def test_a_token_that_is_not_shipped_is_an_error(launcher) -> None:
    (finding,) = launcher(lambda file: file["file_mounts"].pop("~/.ray/auth_token"))
    assert (finding.level, finding.where) == ("error", "file_mounts.~/.ray/auth_token")


def test_a_token_may_lie_where_the_start_commands_say(launcher) -> None:
    def elsewhere(file) -> None:
        file["file_mounts"]["~/token"] = file["file_mounts"].pop("~/.ray/auth_token")
        for key in ("head_start_ray_commands", "worker_start_ray_commands"):
            file[key][0] = f"RAY_AUTH_TOKEN_PATH=~/token {file[key][0]}"

    assert launcher(elsewhere) == []


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (Path.unlink, "not there"),
        (lambda token: token.chmod(0o640), "others on this machine may read it"),
        (lambda token: token.write_text("\n"), "empty"),
    ],
)
def test_the_token_on_this_machine_must_be_there_and_private(
    launcher, here: Surroundings, spoil, found: str
) -> None:
    spoil(here.home / ".ray" / "auth_token")
    (finding,) = launcher()
    assert finding.level == "error"
    assert finding.found.endswith(found)


def test_a_shell_without_authentication_is_a_warning(launcher) -> None:
    (finding,) = launcher(environment={"RAY_AUTH_MODE": "disabled"})
    assert (finding.level, finding.found) == ("warning", "disabled")
    assert launcher(environment={"RAY_AUTH_MODE": "token"}) == []


@pytest.mark.parametrize("options", [None, {"mode": "disabled"}])
def test_kuberay_without_a_token_is_an_error(kuberay, options) -> None:
    def spoil(job) -> None:
        del job["spec"]["rayClusterSpec"]["authOptions"]
        if options is not None:
            job["spec"]["rayClusterSpec"]["authOptions"] = options

    (finding,) = kuberay(spoil)
    assert (finding.level, finding.where) == ("error", "spec.rayClusterSpec.authOptions.mode")


def test_kuberays_containers_may_have_mode_and_token_of_their_own(kuberay) -> None:
    environment = [
        {"name": "RAY_AUTH_MODE", "value": "token"},
        {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": {"name": "lab", "key": "auth_token"}}},
    ]

    def own(job) -> None:
        cluster = job["spec"]["rayClusterSpec"]
        del cluster["authOptions"]
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            group["template"]["spec"]["containers"][0]["env"] = environment

    assert kuberay(own) == []
