import sys

import pytest

from sweep.cluster.finding import error


def own(file) -> None:
    file["provider"] = {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2"]}
    del file["available_node_types"], file["head_node_type"]
    file["head_start_ray_commands"][0] = f"RAY_enable_autoscaler_v2=0 {file['head_start_ray_commands'][0]}"


def on_gcp(file) -> None:
    file["provider"] = {"type": "gcp"}


@pytest.mark.parametrize(
    ("spoil", "where", "found"),
    [
        (lambda file: file.update(file_mount={}), "the file", "('file_mount' was unexpected)"),
        (lambda file: file.update(max_workers="4"), "max_workers", "str"),
        (
            lambda file: file["available_node_types"]["gpu"]["resources"].update(GPU=0.5),
            "available_node_types.gpu.resources.GPU",
            "float",
        ),
        (
            lambda file: file["available_node_types"]["gpu"].update(max_worker=3),
            "available_node_types.gpu",
            "('max_worker' was unexpected)",
        ),
        (lambda file: file.pop("cluster_name"), "the file", "'cluster_name' is a required property"),
        (
            lambda file: file.update(head_node_type="boss"),
            "the file",
            "`head_node_type` must be one of `available_node_types`.",
        ),
        (
            lambda file: file["available_node_types"]["gpu"].update(min_workers=9),
            "the file",
            "smaller than the sum of `min_workers` of all the available node types.",
        ),
        (lambda file: file.update(setup_commands="echo $WORD"), "setup_commands", "str"),
        (lambda file: file["auth"].update(ssh_password="x"), "auth", "('ssh_password' was unexpected)"),
        (lambda file: file.update(idle_timeout_minutes=-1), "idle_timeout_minutes", "int"),
        (lambda file: file["provider"].update(type="awss"), "the file", "Unsupported node provider: awss"),
        (
            lambda file: file.update(docker={"image": "x/respsweep:1"}),
            "the file",
            "Must provide a container & image name",
        ),
    ],
)
def test_what_ray_refuses_is_an_error_in_rays_words(launcher, spoil, where: str, found: str) -> None:
    findings = launcher(spoil)
    assert any(
        (each.level, each.where) == ("error", where) and each.found.endswith(found) for each in findings
    ), findings


@pytest.mark.parametrize(
    "key", ["head_node", "worker_nodes", "min_workers", "autoscaling_mode", "initial_workers"]
)
def test_a_key_of_older_versions_is_unexpected(launcher, key: str) -> None:
    (finding,) = launcher(lambda file: file.update({key: {}}))
    assert (finding.level, finding.where) == ("error", "the file")
    assert finding.found.endswith(f"('{key}' was unexpected)")
    assert "available_node_types" in finding.wanted


def test_the_type_of_a_value_is_told_and_not_the_value(launcher) -> None:
    assert error("rsync_exclude", "str", "type: array") in launcher(
        lambda file: file.update(rsync_exclude=".git, .venv")
    )


def test_min_workers_is_rays_own_affair_on_own_machines(launcher) -> None:
    def one(file) -> None:
        own(file)
        file["min_workers"] = 1

    assert launcher(one) == []


def test_resources_may_be_left_to_ray_on_aws_alone(launcher) -> None:
    assert launcher(lambda file: file["available_node_types"]["gpu"].pop("resources")) == []

    def gcp(file) -> None:
        on_gcp(file)
        del file["available_node_types"]["gpu"]["resources"]

    where = "available_node_types.gpu"
    assert error(where, "'resources' is a required property", "Ray requires it") in launcher(gcp)


def test_own_machines_that_are_left_out_are_an_error_of_rays(launcher) -> None:
    def one_of_two(file) -> None:
        own(file)
        file["provider"]["worker_ips"].append("10.0.0.3")
        file["max_workers"] = 1

    (finding,) = launcher(one_of_two)
    assert launcher(lambda file: (one_of_two(file), file.update(min_workers=1))) == []
    assert "`max_workers` is smaller than the sum of `min_workers`" in finding.found


@pytest.mark.parametrize("key", ["head_ip", "worker_ips"])
def test_own_machines_need_addresses(launcher, key: str) -> None:
    def without(file) -> None:
        own(file)
        del file["provider"][key]

    assert any("Please supply a `head_ip`" in finding.found for finding in launcher(without))


def test_own_machines_have_no_types(launcher) -> None:
    provider = {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2"]}
    findings = launcher(lambda file: file.update(provider=provider))
    assert any("available_node_types is not supported" in finding.found for finding in findings)


def worker(change):
    return lambda job: change(job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0])


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (worker(lambda group: group.pop("minReplicas")), "no 'minReplicas'"),
        (worker(lambda group: group.pop("groupName")), "no 'groupName'"),
        (worker(lambda group: group.update(minReplicas=5)), "sum of `min_workers`"),
        (worker(lambda group: group["template"]["spec"].update(containers=[])), "list index out of range"),
        (
            worker(lambda group: group["template"]["spec"]["containers"][0].pop("resources")),
            "failed to detect `CPU` resources for group gpu.",
        ),
        (lambda job: job["spec"]["rayClusterSpec"].pop("workerGroupSpecs"), "no 'workerGroupSpecs'"),
    ],
)
def test_what_rays_autoscaler_cannot_read_of_a_rayjob_is_an_error(kuberay, spoil, found: str) -> None:
    errors = [each.found for each in kuberay(spoil) if each.where == "spec.rayClusterSpec"]
    assert any(found in each for each in errors), errors


def test_without_rays_validation_the_check_goes_on_and_says_so(
    launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray.autoscaler._private.util", None)
    finding, other = launcher(lambda file: file.update(file_mount={}, max_workers=0))
    assert (finding.level, finding.where) == ("warning", "Ray's schema")
    assert finding.found.startswith("not checked: ")
    assert other.where == "max_workers"
