import pytest

IMAGES = ["rayproject/ray:2.60.0-py311-gpu", "registry.example.org/lab/respsweep:0.1.0", "x/ray@sha256:0123"]


def with_setup(command: str):
    return lambda file: file["setup_commands"].append(command)


@pytest.mark.parametrize(
    "command",
    [
        "pip install ray==2.60.0 torch==2.11.0",
        "pip install 'ray[default,tune]==2.60.0'",
        "pip install rich",
        "pip install --no-deps --require-hashes -r requirements.lock",
        "uv pip install ray==2.60.0",
    ],
)
def test_what_the_lock_file_pins_may_be_installed(launcher, command: str) -> None:
    assert launcher(with_setup(command)) == []


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("pip install ray", "pip install ray, unpinned"),
        ("pip3 install -U 'ray[default]>=2'", "pip install ray, unpinned"),
        ("pip install ray==2.60.*", "pip install ray, unpinned"),
        ("python -m pip install ray==2.9.0", "pip install ray, version 2.9.0"),
        ("uv pip install torch==2.4.0", "pip install torch, version 2.4.0"),
        (
            "pip install https://example.org/ray-3.0.0.dev0-cp311-cp311-linux_x86_64.whl",
            "pip install ray, version 3.0.0.dev0",
        ),
    ],
)
def test_another_version_than_the_lock_files_is_an_error(launcher, command: str, found: str) -> None:
    (finding,) = launcher(with_setup(command))
    assert (finding.level, finding.where, finding.found) == ("error", "setup_commands.1", found)


@pytest.mark.parametrize("image", IMAGES)
def test_a_pinned_image_is_fine(launcher, image: str) -> None:
    assert launcher(lambda file: file.update(docker={"image": image, "container_name": "ray"})) == []


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("rayproject/ray:latest-gpu", "a tag that names a version"),
        ("registry.example.org:5000/respsweep", "a tag that names a version"),
        ("rayproject/ray:2.9.0-py311", "2.60.0, as in requirements.lock"),
        ("rayproject/ray:2.60.0-py310", "Python 3.11 or newer"),
    ],
)
def test_an_image_of_another_version_or_of_none_is_an_error(launcher, image: str, wanted: str) -> None:
    findings = launcher(lambda file: file.update(docker={"image": image, "container_name": "ray"}))
    assert [finding.level for finding in findings if finding.wanted.startswith(wanted)] == ["error"]


def test_a_python_that_is_not_this_one_is_a_warning_and_two_are_an_error(launcher) -> None:
    (finding,) = launcher(with_setup("make .venv/ready PYTHON=python3.12"))
    assert (finding.level, finding.found) == ("warning", "Python 3.12")
    assert launcher(with_setup("make .venv/ready PYTHON=python3.12"), python="3.12") == []

    def two(file) -> None:
        file["head_setup_commands"].append("make .venv/ready PYTHON=python3.12")
        file["worker_setup_commands"].append("make .venv/ready PYTHON=python3.11")

    (finding,) = launcher(two)
    assert (finding.level, finding.found) == ("error", "Python 3.11 and 3.12")


def test_a_cluster_that_installs_nothing_is_a_warning(launcher) -> None:
    (finding,) = launcher(lambda file: file.update(setup_commands=[]))
    assert (finding.level, finding.found) == ("warning", "nothing installs respsweep")


@pytest.mark.parametrize("version", [None, "2.9.0", 2.6])
def test_kuberay_must_know_rays_version(kuberay, version) -> None:
    (finding,) = kuberay(lambda job: job["spec"]["rayClusterSpec"].update(rayVersion=version))
    assert (finding.level, finding.where) == ("error", "spec.rayClusterSpec.rayVersion")
