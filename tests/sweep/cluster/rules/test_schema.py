import pytest

from sweep.cluster.finding import error


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda file: file.update(file_mount={}),
            error("file_mount", "no such field", "did you mean file_mounts?"),
        ),
        (lambda file: file.update(max_workers="4"), error("max_workers", "string", "integer")),
        (
            lambda file: file["available_node_types"]["gpu"]["resources"].update(GPU=0.5),
            error("available_node_types.gpu.resources.GPU", "number", "integer"),
        ),
        (
            lambda file: file["available_node_types"]["gpu"].update(max_worker=3),
            error("available_node_types.gpu.max_worker", "no such field", "did you mean max_workers?"),
        ),
        (lambda file: file.pop("cluster_name"), error("cluster_name", "not given", "Ray requires it")),
        (
            lambda file: file.update(head_node_type="boss"),
            error("head_node_type", "'boss'", "one of head, gpu"),
        ),
        (
            lambda file: file["available_node_types"]["gpu"].update(min_workers=9),
            error("max_workers", "4", "at least the sum of all min_workers, 9"),
        ),
        (
            lambda file: file.update(rsync_exclude=".git, .venv"),
            error("rsync_exclude", "string", "[.git, .venv]"),
        ),
        (
            lambda file: file.update(setup_commands="echo $WORD"),
            error("setup_commands", "string", "a list: a line with - for each"),
        ),
        (
            lambda file: file["provider"].update(regoin="x"),
            error("provider.regoin", "no such field", "did you mean region?"),
        ),
        (
            lambda file: file["auth"].update(ssh_password="secret"),
            error(
                "auth.ssh_password",
                "no such field",
                "ssh_private_key: Ray logs in by key only; ssh-copy-id puts yours on a machine",
            ),
        ),
        (
            lambda file: file.update(idle_timeout_minutes=-1),
            error("idle_timeout_minutes", "not what Ray's schema allows", "minimum: 0"),
        ),
    ],
)
def test_what_ray_would_refuse_is_an_error_with_its_place(launcher, spoil, expected) -> None:
    assert expected in launcher(spoil)


@pytest.mark.parametrize(
    "key", ["head_node", "worker_nodes", "min_workers", "autoscaling_mode", "initial_workers"]
)
def test_a_key_of_older_versions_is_told_by_what_replaced_it(launcher, key: str) -> None:
    (found,) = launcher(lambda file: file.update({key: {}}))
    assert (found.level, found.where, found.found) == ("error", key, "a key that Ray 2 dropped")


def test_min_workers_is_none_of_them_for_own_machines(launcher) -> None:
    def local(file) -> None:
        file["provider"] = {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2"]}
        file["min_workers"] = 1
        del file["available_node_types"], file["head_node_type"]

    assert not [finding for finding in launcher(local) if finding.where in ("min_workers", "")]


def test_resources_may_be_left_to_ray_on_aws_alone(launcher) -> None:
    assert launcher(lambda file: file["available_node_types"]["gpu"].pop("resources")) == []

    def gcp(file) -> None:
        file["provider"] = {"type": "gcp"}
        del file["available_node_types"]["gpu"]["resources"]

    assert error("available_node_types.gpu.resources", "not given", "Ray requires it") in launcher(gcp)


def test_a_list_of_workers_written_as_text_is_shown_as_a_list(launcher) -> None:
    provider = {"type": "local", "head_ip": "10.0.0.1", "worker_ips": "10.0.0.2, 10.0.0.3"}
    findings = launcher(lambda file: file.update(provider=provider))
    assert error("provider.worker_ips", "string", "[10.0.0.2, 10.0.0.3]") in findings


def test_a_misspelt_key_of_the_provider_is_named_with_the_nearest(launcher) -> None:
    provider = {"type": "local", "headip": "10.0.0.1", "worker_ips": ["10.0.0.2"]}
    findings = launcher(lambda file: file.update(provider=provider))
    assert error("provider.headip", "no such field", "did you mean head_ip?") in findings


def test_a_key_of_the_provider_like_no_other_is_a_warning(launcher) -> None:
    (finding,) = launcher(lambda file: file["provider"].update(owner="lab"))
    assert (finding.level, finding.where) == ("warning", "provider.owner")
    assert launcher(lambda file: file["provider"].update(key_pair={"key_name": "lab"})) == []


def test_own_machines_need_addresses(launcher) -> None:
    findings = launcher(lambda file: file.update(provider={"type": "local", "head_ip": "10.0.0.1"}))
    assert error("provider.worker_ips", "not given", "the addresses of your machines") in findings


def test_what_is_to_be_filled_in_is_told_once_for_all_places(launcher) -> None:
    def blank(file) -> None:
        for node in file["available_node_types"].values():
            node["node_config"]["ImageId"] = "ami-FILL_IN"

    (found,) = launcher(blank)
    where = "available_node_types.head.node_config.ImageId"
    assert found == error(where, "ami-FILL_IN", "your own value: a comment in the file says which")
