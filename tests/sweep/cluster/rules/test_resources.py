import pytest

from sweep.cluster.finding import warning
from sweep.cluster.surroundings import UnitNeeds


def resources(**amounts: int):
    return lambda file: file["available_node_types"]["gpu"].update(resources=amounts)


@pytest.mark.parametrize(
    ("spoil", "level", "key"),
    [
        (resources(CPU=8, GPU=1), "error", "CPU"),
        (resources(CPU=4, GPU=2), "error", "GPU"),
        (resources(CPU=4, GPU=0), "warning", "GPU"),
    ],
)
def test_resources_that_the_machine_has_not_are_found(launcher, spoil, level: str, key: str) -> None:
    (finding,) = launcher(spoil)
    assert (finding.level, finding.where) == (level, f"available_node_types.gpu.resources.{key}")
    assert "g6.xlarge" in finding.wanted


def test_gpus_that_are_not_declared_are_paid_for_and_not_used(launcher) -> None:
    (finding,) = launcher(
        lambda file: file["available_node_types"]["gpu"]["node_config"].update(InstanceType="g6.12xlarge")
    )
    assert (finding.level, finding.where) == ("warning", "available_node_types.gpu.resources.GPU")
    assert (finding.found, finding.wanted[:17]) == ("1", "4: a g6.12xlarge ")


@pytest.mark.parametrize("model", ["g6.xlage", "?", "trn1.2xlarge"])
def test_a_machine_type_about_which_nothing_is_known_is_a_warning(launcher, model: str) -> None:
    where = "available_node_types.gpu.node_config.InstanceType"
    (finding,) = launcher(
        lambda file: file["available_node_types"]["gpu"]["node_config"].update(InstanceType=model)
    )
    wanted = "a type of this cloud; its CPUs and GPUs could not be checked"
    assert finding == warning(where, f"{model}: not known here", wanted)


def test_without_node_types_ray_would_choose_machines_itself(launcher) -> None:
    findings = launcher(lambda file: file.update(available_node_types={}))
    assert ("error", "available_node_types") in [(each.level, each.where) for each in findings]


@pytest.mark.parametrize("prefix", ["", "zones/europe-west4-a/machineTypes/"])
def test_a_machine_type_of_google_may_be_a_url(launcher, prefix: str) -> None:
    def gcp(model: str):
        def spoil(file) -> None:
            file["provider"] = {"type": "gcp"}
            file["available_node_types"]["head"]["node_config"] = {"machineType": prefix + "e2-standard-4"}
            file["available_node_types"]["gpu"]["node_config"] = {"machineType": prefix + model}

        return spoil

    assert launcher(gcp("g2-standard-4")) == []
    (finding,) = launcher(gcp("g2-standrad-4"))
    assert (finding.level, finding.found) == ("warning", "g2-standrad-4: not known here")


def test_on_gcp_a_gpu_that_is_not_declared_is_never_used(launcher) -> None:
    def gcp(file) -> None:
        file["provider"] = {"type": "gcp"}
        file["available_node_types"]["head"]["node_config"] = {"machineType": "e2-standard-4"}
        file["available_node_types"]["gpu"].update(
            resources={"CPU": 4}, node_config={"machineType": "g2-standard-4"}
        )

    (finding,) = launcher(gcp)
    assert (finding.level, finding.where) == ("error", "available_node_types.gpu.resources.GPU")


def test_a_head_that_offers_cpus_would_train(launcher) -> None:
    (finding,) = launcher(lambda file: file["available_node_types"]["head"].update(resources={"CPU": 4}))
    assert (finding.level, finding.where) == ("warning", "available_node_types.head.resources.CPU")


@pytest.mark.parametrize("needs", [(4, 1), (0.5, 0.25), (4, 0)])
def test_a_unit_that_fits_is_fine(launcher, kuberay, needs: tuple[float, float]) -> None:
    assert launcher(unit=UnitNeeds("study.yaml", *needs)) == []
    assert kuberay(unit=UnitNeeds("study.yaml", *needs)) == []


@pytest.mark.parametrize("needs", [(5, 1), (4, 2)])
def test_a_unit_that_fits_nowhere_is_an_error(launcher, kuberay, needs: tuple[float, float]) -> None:
    (finding,) = launcher(unit=UnitNeeds("study.yaml", *needs))
    assert (finding.level, finding.where) == ("error", "available_node_types.gpu.resources")
    assert finding.found == "4 CPUs, 1 GPUs: too small for a unit"
    (finding,) = kuberay(unit=UnitNeeds("study.yaml", *needs))
    assert (finding.level, finding.where) == ("error", "spec.rayClusterSpec.workerGroupSpecs.0.resources")


def test_what_ray_finds_on_own_machines_cannot_be_known(launcher) -> None:
    def local(file) -> None:
        file["provider"] = {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2"]}
        del file["available_node_types"], file["head_node_type"]
        file["head_start_ray_commands"][0] = (
            f"RAY_enable_autoscaler_v2=0 {file['head_start_ray_commands'][0]}"
        )

    assert launcher(local, unit=UnitNeeds("study.yaml", 64, 8)) == []
