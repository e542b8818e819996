import pytest


def cluster(change):
    return lambda job: change(job["spec"]["rayClusterSpec"])


def worker(change):
    return lambda job: change(job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0])


GROUP = "spec.rayClusterSpec.workerGroupSpecs.0"


@pytest.mark.parametrize(
    ("spoil", "where", "found"),
    [
        (lambda job: job.update(apiVersion="ray.io/v1alpha1"), "apiVersion", "ray.io/v1alpha1"),
        (
            lambda job: job["spec"].update(shutdownAfterJobFinish=True),
            "spec.shutdownAfterJobFinish",
            "no such field",
        ),
        (lambda job: job["spec"].update(submissionMode="Http"), "spec.submissionMode", "Http"),
        (
            cluster(lambda spec: spec.update(autoscalerOptions={"idleTimeoutSecond": 60})),
            "spec.rayClusterSpec.autoscalerOptions.idleTimeoutSecond",
            "no such field",
        ),
        (worker(lambda group: group.pop("minReplicas")), f"{GROUP}.minReplicas", "not given"),
        (worker(lambda group: group.update(minReplicas=5)), f"{GROUP}.minReplicas", "5"),
        (
            worker(lambda group: group["rayStartParams"].update({"num-cpus": 4})),
            f"{GROUP}.rayStartParams.num-cpus",
            "int",
        ),
        (
            worker(lambda group: group["template"]["spec"].update(containers=[])),
            f"{GROUP}.template.spec.containers",
            "none",
        ),
        (
            worker(
                lambda group: group["template"]["spec"]["containers"][0].update(
                    env=[{"name": "A", "value": 1}]
                )
            ),
            f"{GROUP}.template.spec.containers.0.env.0.value",
            "int",
        ),
        (
            worker(lambda group: group["template"]["spec"]["containers"][0].pop("image")),
            f"{GROUP}.template.spec.containers.0.image",
            "not given",
        ),
    ],
)
def test_what_kubernetes_or_kuberay_would_refuse_is_an_error(kuberay, spoil, where: str, found: str) -> None:
    assert ("error", where, found) in [(each.level, each.where, each.found) for each in kuberay(spoil)]


def test_a_field_that_looks_like_no_other_may_be_newer(kuberay) -> None:
    (finding,) = kuberay(cluster(lambda spec: spec.update(xyz=1)))
    assert (finding.level, finding.where) == ("warning", "spec.rayClusterSpec.xyz")


@pytest.mark.parametrize(
    ("key", "where"),
    [("shutdownAfterJobFinishes", "spec.shutdownAfterJobFinishes"), ("backoffLimit", "spec.backoffLimit")],
)
def test_a_job_that_stays_or_does_not_come_again_is_a_warning(kuberay, key: str, where: str) -> None:
    (finding,) = kuberay(lambda job: job["spec"].pop(key))
    assert (finding.level, finding.where) == ("warning", where)


def test_a_cluster_without_workers_is_an_error(kuberay) -> None:
    findings = kuberay(cluster(lambda spec: spec.pop("workerGroupSpecs")))
    assert ("error", "spec.rayClusterSpec.workerGroupSpecs") in [
        (each.level, each.where) for each in findings
    ]


def test_a_cluster_by_itself_is_read_as_well(kuberay) -> None:
    def alone(job) -> None:
        job.update(kind="RayCluster", spec=job["spec"]["rayClusterSpec"])
        job["spec"]["authOptions"] = {"mode": "disabled"}

    (finding,) = kuberay(alone)
    assert (finding.level, finding.where) == ("error", "spec.authOptions.mode")
