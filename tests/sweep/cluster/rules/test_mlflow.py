import pytest

SERVE = "setsid nohup respsweep ui --serve"


def server(text: str):
    def spoil(file) -> None:
        file["head_start_ray_commands"][2] = text

    return spoil


@pytest.mark.parametrize(
    ("text", "level", "found"),
    [
        (f"{SERVE} --host 0.0.0.0 &", "error", "MLflow listens on 0.0.0.0, every address of the head"),
        (f"{SERVE} --host=:: --auth &", "error", "MLflow listens on ::, every address of the head"),
        (f"{SERVE} --host 10.0.0.1 &", "warning", "MLflow listens on 10.0.0.1 without --auth"),
        (SERVE, "error", "an MLflow server in the foreground"),
        ("respsweep ui --serve &", "warning", "an MLflow server that may end with ray up's ssh"),
        ("nohup mlflow server --allowed-hosts '*' &", "error", "MLflow answers to any Host header"),
    ],
)
def test_a_server_that_others_reach_or_that_cannot_stay_is_found(
    launcher, text: str, level: str, found: str
) -> None:
    (finding,) = launcher(server(text))
    assert (finding.level, finding.where, finding.found) == (level, "head_start_ray_commands.2", found)


@pytest.mark.parametrize(
    "text",
    [
        f"{SERVE} &",
        f"{SERVE} --host 10.0.0.1 --auth &",
        "mkdir -p ~/x && (setsid nohup ~/respsweep/.venv/bin/respsweep ui --serve > log 2>&1 &)",
    ],
)
def test_a_server_on_loopback_or_with_users_is_fine(launcher, text: str) -> None:
    assert launcher(server(text)) == []


def test_a_server_on_every_worker_is_an_error(launcher) -> None:
    (finding,) = launcher(lambda file: file["worker_start_ray_commands"].append(f"{SERVE} &"))
    assert (finding.level, finding.found) == ("error", "an MLflow server on every worker")


def test_without_a_server_studies_keep_their_runs_themselves(launcher) -> None:
    assert launcher(lambda file: file["head_start_ray_commands"].pop(2)) == []


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("http://127.0.0.1:5001", "--tracking-uri to port 5001 of the head"),
        ("http://localhost", "--tracking-uri to port 80 of the head"),
        ("http://127.0.0.1:port", "--tracking-uri that is no address"),
    ],
)
def test_an_address_at_which_no_server_listens_is_an_error(kuberay, address: str, found: str) -> None:
    def spoil(job) -> None:
        job["spec"]["entrypoint"] = job["spec"]["entrypoint"].replace("http://127.0.0.1:5000", address)

    (finding,) = kuberay(spoil)
    assert (finding.level, finding.where, finding.found) == ("error", "spec.entrypoint", found)


def test_another_machines_server_is_its_own_affair(launcher) -> None:
    def elsewhere(file) -> None:
        run = "respsweep run x --studies /mnt/shared/studies --tracking-uri https://mlflow.example.org"
        file["head_start_ray_commands"][2] = run

    assert launcher(elsewhere) == []
