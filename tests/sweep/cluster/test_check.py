import re
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import LONGEST_LINE
from data.settings import ConfigError
from sweep.cli import main
from sweep.cluster import shell
from sweep.cluster.check import check_cluster_file
from sweep.cluster.rules.placeholders import PLACEHOLDER
from sweep.cluster.rules.secrets import ASSIGNMENT, OPTION, URL
from sweep.cluster.rules.storage import EXPORT
from sweep.cluster.surroundings import Surroundings

TINY = "cluster_name: breath\nprovider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2]}\n"


def test_files_with_nothing_wrong_are_fine(launcher, kuberay) -> None:
    assert launcher() == []
    assert kuberay() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "line 1 not valid YAML"),
        (
            f"{TINY}auth: {{ssh_user: a, ssh_user: b}}\n",
            "line 3 not valid YAML: the key 'ssh_user' is written twice",
        ),
        ("kind: Deployment\n", "neither a file for ray up"),
        ("", "neither a file for ray up"),
        ("- 1\n", "neither a file for ray up"),
    ],
)
def test_what_is_no_cluster_file_is_refused_in_one_line(here: Surroundings, text: str, message: str) -> None:
    path = here.folder / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as raised:
        check_cluster_file(path, here)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "cluster_name: [1]\nprovider: x\nauth: 3\nsetup_commands: {a: 1}\nfile_mounts: [a]\ndocker: 1\n",
        "cluster_name: a\nprovider: {type: aws}\navailable_node_types: {head: 1, gpu: {node_config: []}}\n",
        "cluster_name: a\nprovider: {type: gcp}\navailable_node_types: {gpu: {node_config: {scheduling: 1}}}\n",
        TINY + 'file_mounts: {a: "a\\0b", b: ' + "x/" * 5000 + ", c: " + "y" * 999 + "}\n",
        f"{TINY}auth: {{ssh_user: a, ssh_private_key: {'x' * 5000}}}\n",
        f"{TINY}file_mounts: {{~/.ray/auth_token: {'x' * 5000}}}\n",
        "apiVersion: ray.io/v1\nkind: RayCluster\nspec: {headGroupSpec: {template: {spec: {containers: [{env: "
        "[{name: [1]}, {name: {}}], volumeMounts: [{name: {a: 1}}]}], volumes: [{name: [], nfs: 1}]}}}}\n",
        "apiVersion: ray.io/v1\nkind: RayJob\n",
        "apiVersion: ray.io/v1\nkind: RayCluster\nspec: {headGroupSpec: [1], workerGroupSpecs: [1, {template: 2}]}\n",
    ],
)
def test_whatever_is_in_a_file_is_a_finding_and_no_traceback(here: Surroundings, text: str) -> None:
    path = here.folder / "cluster.yaml"
    path.write_text(text)
    assert check_cluster_file(path, here).errors


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(PLACEHOLDER, "x"), (ASSIGNMENT, "a-"), (OPTION, "--a"), (URL, "a."), (EXPORT, "/a"), (EXPORT, "/a b(")],
)
def test_a_search_takes_as_long_as_its_text_is_long(pattern: re.Pattern[str], text: str) -> None:
    """With time that grows by the square of the length this takes minutes, and the limit of all tests ends it."""
    assert pattern.search(text * (600_000 // len(text))) is None


def test_a_finding_is_short_whatever_is_in_a_file(here: Surroundings) -> None:
    path = here.folder / "cluster.yaml"
    path.write_text(f"{TINY}? {'x' * 5000}\n: 1\nauth: {{ssh_private_key: {'z' * 5000}}}\n")
    findings = check_cluster_file(path, here).findings
    said = [text for finding in findings for text in (finding.where, finding.found, finding.wanted)]
    assert any("xxx ... xxx" in text for text in said)
    assert max(map(len, said)) <= LONGEST_LINE


def test_the_commands_of_a_file_are_read_once(launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    calls = shell.calls
    monkeypatch.setattr(shell, "calls", lambda text: read.append(text) or calls(text))
    launcher()
    assert len(read) == len(set(read)) > 5


def test_a_finding_about_a_command_quotes_how_it_begins(launcher) -> None:
    (finding,) = launcher(
        lambda file: file["head_start_ray_commands"].append(
            "respsweep run space.yaml --address auto --studies /home/x"
        )
    )
    assert finding.where == "head_start_ray_commands.3"
    assert finding.quote == "respsweep run space.yaml --address auto --studies /home/x"


def test_a_long_command_is_cut_between_words(launcher) -> None:
    (finding,) = launcher(
        lambda file: file["head_start_ray_commands"].append(f"respsweep run {'word ' * 20} --studies /home/x")
    )
    assert len(finding.quote) <= 60
    assert finding.quote.endswith("word ...")


def test_a_command_with_a_secret_is_not_quoted(launcher) -> None:
    command = "API_TOKEN=abcdefgh12345678 respsweep run space.yaml --studies /home/x"
    findings = launcher(lambda file: file["head_start_ray_commands"].append(command))
    assert len(findings) == 2
    assert [finding.quote for finding in findings] == ["", ""]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["respsweep", "cluster", "check", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_the_command_says_what_it_checked_and_its_exit_status_tells_errors(
    here: Surroundings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(here.home))
    monkeypatch.chdir(here.folder)
    path = here.folder / "cluster.yaml"
    start = "RAY_AUTH_MODE=token RAY_enable_autoscaler_v2=0 ray start --head --autoscaling-config=x"
    path.write_text(
        TINY
        + "file_mounts: {~/.ray/auth_token: ~/.ray/auth_token}\n"
        + f"head_start_ray_commands: ['{start}']\nworker_start_ray_commands: [RAY_AUTH_MODE=token ray start]\n"
    )
    assert run(monkeypatch, str(path)) == 0
    printed = capsys.readouterr().out
    assert "0 errors, 3 warnings; checked: what Ray refuses, secrets" in printed
    path.write_text(path.read_text().replace("RAY_enable_autoscaler_v2=0 ", ""))
    assert run(monkeypatch, str(path)) == 1
    assert "1 error, 3 warnings" in capsys.readouterr().out


def test_units_of_a_study_file_are_held_against_the_workers(
    here: Surroundings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], launcher
) -> None:
    launcher()
    monkeypatch.setenv("HOME", str(here.home))
    monkeypatch.chdir(here.folder)
    study = here.folder / "study.yaml"
    study.write_text("search: {epochs: {type: int, low: 2, high: 4}}\nresources: {cpu: 9}\n")
    assert run(monkeypatch, "cluster.yaml", "--space", str(study)) == 1
    assert "a type with 9 CPUs and 0 GPUs" in " ".join(capsys.readouterr().out.split())


def test_a_check_imports_of_the_heavy_libraries_ray_alone_and_nothing_is_printed() -> None:
    code = (
        "import sys; from pathlib import Path; from sweep.cluster.check import check_cluster_file\n"
        "from sweep.cluster.surroundings import Surroundings\n"
        "heavy = {'ray', 'torch', 'mlflow', 'optuna'}\n"
        "print(heavy & set(sys.modules))\n"
        "check_cluster_file(Path('cluster.yaml'), Surroundings.here())\n"
        "print(heavy & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n{'ray'}\n", "")


def test_a_known_hostile_cluster_file_has_findings(here: Surroundings, cases: Path) -> None:
    report = check_cluster_file(cases / "hostile" / "25_cluster_metadata_number" / "cluster.yaml", here)
    assert any(finding.where.startswith("metadata") for finding in report.findings)


def test_volumes_of_a_pod_whose_names_are_lists_are_none_of_ours(here: Surroundings) -> None:
    spec = (
        "{template: {spec: {volumes: [{name: [a], nfs: {}}], containers: [{volumeMounts: [{name: [b]}]}]}}}"
    )
    path = here.folder / "cluster.yaml"
    path.write_text(f"apiVersion: ray.io/v1\nkind: RayCluster\nspec: {{headGroupSpec: {spec}}}\n")
    assert check_cluster_file(path, here).errors
