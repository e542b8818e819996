import pytest

SPOT = {"InstanceMarketOptions": {"MarketType": "spot"}}


def local(file) -> None:
    file["provider"] = {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2", "10.0.0.3"]}
    del file["available_node_types"], file["head_node_type"]


@pytest.mark.parametrize(
    ("spoil", "level", "where"),
    [
        (
            lambda file: file["available_node_types"]["head"]["node_config"].update(SPOT),
            "error",
            "available_node_types.head",
        ),
        (lambda file: file["provider"].pop("cache_stopped_nodes"), "warning", "provider.cache_stopped_nodes"),
        (lambda file: file.update(idle_timeout_minutes=600), "warning", "idle_timeout_minutes"),
        (lambda file: file.update(idle_timeout_minutes=0), "warning", "idle_timeout_minutes"),
        (lambda file: file.update(max_workers=0), "error", "max_workers"),
        (lambda file: file["worker_start_ray_commands"].pop(1), "warning", "worker_start_ray_commands"),
        (
            lambda file: file["available_node_types"]["gpu"].update(min_workers=1),
            "warning",
            "available_node_types.gpu.min_workers",
        ),
        (
            lambda file: file["available_node_types"]["gpu"]["node_config"].pop("ImageId"),
            "error",
            "available_node_types.gpu.node_config.ImageId",
        ),
    ],
)
def test_machines_that_go_when_they_must_not_or_stay_when_they_need_not(
    launcher, spoil, level, where
) -> None:
    (finding,) = launcher(spoil)
    assert (finding.level, finding.where) == (level, where)


@pytest.mark.parametrize("scheduling", [{"provisioningModel": "SPOT"}, [{"preemptible": True}]])
def test_a_spot_head_is_found_on_gcp_too(launcher, scheduling) -> None:
    def gcp(file) -> None:
        file["provider"] = {"type": "gcp"}
        file["available_node_types"]["head"]["node_config"] = {
            "machineType": "e2-standard-4",
            "scheduling": scheduling,
        }

    (finding,) = launcher(gcp)
    assert (finding.level, finding.where) == ("error", "available_node_types.head")


def test_a_head_without_autoscaling_config_starts_no_worker(launcher) -> None:
    def spoil(file) -> None:
        file["head_start_ray_commands"][0] = "RAY_AUTH_MODE=token ray start --head"

    (finding,) = launcher(spoil)
    assert (finding.level, finding.found) == ("error", "no --autoscaling-config")


def test_own_machines_need_the_older_autoscaler(launcher) -> None:
    (finding,) = launcher(local)
    assert (finding.level, finding.found) == ("error", "RAY_enable_autoscaler_v2 not 0")


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda cluster: cluster.update(enableInTreeAutoscaling=False), "enableInTreeAutoscaling"),
        (
            lambda cluster: cluster.update(autoscalerOptions={"idleTimeoutSeconds": 36000}),
            "autoscalerOptions.idleTimeoutSeconds",
        ),
        (
            lambda cluster: cluster["workerGroupSpecs"][0].update(minReplicas=2),
            "workerGroupSpecs.0.minReplicas",
        ),
    ],
)
def test_pods_that_stay_while_nothing_runs_are_a_warning(kuberay, spoil, where: str) -> None:
    (finding,) = kuberay(lambda job: spoil(job["spec"]["rayClusterSpec"]))
    assert (finding.level, finding.where) == ("warning", f"spec.rayClusterSpec.{where}")


def test_a_head_pod_on_a_spot_node_is_an_error(kuberay) -> None:
    def spot(job) -> None:
        pod = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
        pod["nodeSelector"] = {"cloud.google.com/gke-spot": "true"}

    (finding,) = kuberay(spot)
    assert (finding.level, finding.where) == ("error", "spec.rayClusterSpec.headGroupSpec")
