import pytest


def worker(change):
    return lambda job: change(job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0])


GROUP = "spec.rayClusterSpec.workerGroupSpecs.0"


@pytest.mark.parametrize(
    ("spoil", "where", "found"),
    [
        (lambda job: job["spec"].update(submissionMode="Http"), "spec.submissionMode", "Http"),
        (lambda job: job["spec"].pop("entrypoint"), "spec.entrypoint", "not given"),
        (
            worker(lambda group: group["template"]["spec"]["containers"][0].pop("image")),
            f"{GROUP}.template.spec.containers.0.image",
            "not given",
        ),
    ],
)
def test_what_nobody_refuses_before_pods_start_is_an_error(kuberay, spoil, where: str, found: str) -> None:
    assert ("error", where, found) in [(each.level, each.where, each.found) for each in kuberay(spoil)]


def test_a_pod_without_a_limit_of_memory_is_a_warning(kuberay) -> None:
    def unlimited(group) -> None:
        del group["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]

    (finding,) = kuberay(worker(unlimited))
    assert finding.level == "warning"
    assert finding.where == f"{GROUP}.template.spec.containers.0.resources.limits"


@pytest.mark.parametrize(
    ("key", "where"),
    [("shutdownAfterJobFinishes", "spec.shutdownAfterJobFinishes"), ("backoffLimit", "spec.backoffLimit")],
)
def test_a_job_that_stays_or_does_not_come_again_is_a_warning(kuberay, key: str, where: str) -> None:
    (finding,) = kuberay(lambda job: job["spec"].pop(key))
    assert (finding.level, finding.where) == ("warning", where)


def test_a_cluster_by_itself_is_read_as_well(kuberay) -> None:
    def alone(job) -> None:
        job.update(kind="RayCluster", spec=job["spec"]["rayClusterSpec"])
        job["spec"]["authOptions"] = {"mode": "disabled"}

    (finding,) = kuberay(alone)
    assert (finding.level, finding.where) == ("error", "spec.authOptions.mode")
