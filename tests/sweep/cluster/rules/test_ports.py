import pytest

GROUP = {"GroupName": "lab"}


def ingress(cidr: str, first: int, last: int, protocol: str = "tcp"):
    rule = {"IpProtocol": protocol, "FromPort": first, "ToPort": last, "IpRanges": [{"CidrIp": cidr}]}
    return lambda file: file["provider"].update(security_group={**GROUP, "IpPermissions": [rule]})


@pytest.mark.parametrize(
    ("spoil", "level"),
    [
        (ingress("0.0.0.0/0", 8265, 8265), "error"),
        (ingress("192.0.2.0/24", 5000, 5000), "error"),
        (ingress("192.0.2.0/24", 0, 65535), "error"),
        (ingress("192.0.2.0/24", -1, -1, "-1"), "error"),
        (ingress("0.0.0.0/0", 22, 22), "warning"),
    ],
)
def test_only_ssh_may_be_open_and_not_to_everybody(launcher, spoil, level: str) -> None:
    (finding,) = launcher(spoil)
    assert (finding.level, finding.where) == (level, "provider.security_group.IpPermissions.0")


def test_ssh_from_one_network_is_fine(launcher) -> None:
    assert launcher(ingress("192.0.2.0/24", 22, 22)) == []


def test_rays_own_security_group_lets_everybody_try_ssh(launcher) -> None:
    (finding,) = launcher(lambda file: file["provider"].pop("security_group"))
    assert (finding.level, finding.where) == ("warning", "provider.security_group.GroupName")

    def own(file) -> None:
        del file["provider"]["security_group"]
        for node in file["available_node_types"].values():
            node["node_config"]["SecurityGroupIds"] = ["sg-1"]

    assert launcher(own) == []


@pytest.mark.parametrize(
    ("option", "found"),
    [
        ("--dashboard-host=0.0.0.0", "--dashboard-host=0.0.0.0"),
        ("--dashboard-host 10.0.0.1", "--dashboard-host=10.0.0.1"),
        ("--ray-client-server-port=10001", "--ray-client-server-port"),
    ],
)
def test_dashboard_and_client_on_other_addresses_than_loopback_are_errors(
    launcher, option: str, found: str
) -> None:
    def spoil(file) -> None:
        file["head_start_ray_commands"][0] += f" {option}"

    (finding,) = launcher(spoil)
    assert (finding.level, finding.where, finding.found) == ("error", "head_start_ray_commands.0", found)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_dashboard_on_loopback_is_fine(launcher, host: str) -> None:
    def loopback(file) -> None:
        file["head_start_ray_commands"][0] += f" --dashboard-host={host}"

    assert launcher(loopback) == []


def test_a_client_server_that_is_not_ended_is_a_warning(launcher) -> None:
    (finding,) = launcher(lambda file: file["head_start_ray_commands"].pop(1))
    assert (finding.level, finding.where) == ("warning", "head_start_ray_commands.0")
    assert "10001" in finding.found


def test_a_container_that_publishes_ports_is_an_error(launcher) -> None:
    docker = {
        "image": "x/respsweep:1",
        "container_name": "ray",
        "run_options": ["-p 8265:8265", "--ipc=host"],
    }
    (finding,) = launcher(lambda file: file.update(docker=docker))
    assert (finding.level, finding.where) == ("error", "docker.run_options.0")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"serviceType": "LoadBalancer"}, "serviceType"),
        ({"enableIngress": True}, "enableIngress"),
        (
            {"rayStartParams": {"num-cpus": "0", "ray-client-server-port": "10001"}},
            "rayStartParams.ray-client-server-port",
        ),
    ],
)
def test_a_head_pod_that_others_reach_is_an_error(kuberay, change, where: str) -> None:
    (finding,) = kuberay(lambda job: job["spec"]["rayClusterSpec"]["headGroupSpec"].update(change))
    assert (finding.level, finding.where) == ("error", f"spec.rayClusterSpec.headGroupSpec.{where}")


def test_a_pod_on_the_machines_own_network_is_an_error(kuberay) -> None:
    def spoil(job) -> None:
        job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["hostNetwork"] = True

    (finding,) = kuberay(spoil)
    assert (finding.level, finding.found) == ("error", "true")


def test_without_a_network_policy_other_pods_come_in(kuberay) -> None:
    (finding,) = kuberay(beside=())
    assert (finding.level, finding.where) == ("warning", "kind: NetworkPolicy")


def test_a_service_for_the_outside_is_an_error(kuberay) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"type": "NodePort"}}
    (finding,) = kuberay(beside=({"kind": "NetworkPolicy"}, service))
    assert (finding.level, finding.found) == ("error", "NodePort")
