import pytest

from sweep.cluster.finding import Finding, error
from sweep.cluster.surroundings import Surroundings


def own(head: object = "10.0.0.1", workers: object = ("10.0.0.2", "10.0.0.3"), **more: object):
    def spoil(file) -> None:
        listed = list(workers) if isinstance(workers, tuple) else workers
        file["provider"] = {"type": "local", "head_ip": head, "worker_ips": listed, **more}
        del file["available_node_types"], file["head_node_type"]
        start = file["head_start_ray_commands"]
        start[0] = f"RAY_enable_autoscaler_v2=0 {start[0]}"

    return spoil


@pytest.mark.parametrize("address", ["10.0.0.9", "fd00::9", "gpu-9", "FILL_IN_WORKER"])
def test_addresses_and_names_are_fine(launcher, address: str) -> None:
    findings: list[Finding] = launcher(own(workers=("10.0.0.2", address)))
    assert [finding for finding in findings if "FILL_IN" not in finding.found] == []


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_machines_do_not_find_each_other_at_an_address_of_their_own(launcher, address: str) -> None:
    wanted = "the address at which other machines reach this one"
    assert launcher(own(head=address)) == [error("provider.head_ip", address, wanted)]
    assert launcher(own(workers=("10.0.0.2", address))) == [error("provider.worker_ips.1", address, wanted)]


def test_the_head_is_no_worker_as_well(launcher) -> None:
    (finding,) = launcher(own(workers=("10.0.0.2", "10.0.0.1")))
    assert (finding.level, finding.where) == ("error", "provider.worker_ips.1")
    assert finding.found == "10.0.0.1: already provider.head_ip"


def test_a_worker_is_listed_once(launcher) -> None:
    (finding,) = launcher(own(workers=("10.0.0.2", "10.0.0.2")))
    assert (finding.level, finding.found) == (
        "error",
        "10.0.0.2: already provider.worker_ips.0",
    )


def test_the_head_may_have_its_own_address_for_the_laptop(launcher) -> None:
    assert launcher(own(external_head_ip="lab.example.org")) == []


@pytest.mark.parametrize("key", ["~/.ssh/lab", "lab.pem"])
def test_a_key_that_is_not_here_is_an_error(launcher, here: Surroundings, key: str) -> None:
    def named(file) -> None:
        file["auth"]["ssh_private_key"] = key

    (finding,) = launcher(named)
    assert (finding.level, finding.where) == ("error", "auth.ssh_private_key")
    assert finding.found == f"{here.local_path(key)}: not there"
    assert "ssh-keygen" in finding.wanted
    here.local_path(key).parent.mkdir(exist_ok=True)
    here.local_path(key).touch()
    assert launcher(named) == []


def test_what_ray_does_with_the_head_among_the_workers(tmp_path) -> None:
    from ray.autoscaler._private.local.node_provider import ClusterState

    provider = {"head_ip": "10.0.0.1", "worker_ips": ["10.0.0.1", "10.0.0.2"]}
    with pytest.raises(AssertionError):
        ClusterState(str(tmp_path / "lock"), str(tmp_path / "state"), provider)
