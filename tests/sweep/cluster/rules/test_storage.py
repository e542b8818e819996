import pytest

RUN = "respsweep run space.yaml --address auto --studies"


def local(file) -> None:
    file["provider"] = {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2"]}
    del file["available_node_types"], file["head_node_type"]
    file["head_start_ray_commands"][0] = f"RAY_enable_autoscaler_v2=0 {file['head_start_ray_commands'][0]}"


@pytest.mark.parametrize(
    ("place", "missing"),
    [
        ("/home/ubuntu/studies", "the head and the workers"),
        ("studies", "the head and the workers"),
        ("/mnt/sharedness/studies", "the head and the workers"),
    ],
)
def test_a_study_on_one_machines_disk_is_an_error(launcher, place: str, missing: str) -> None:
    (finding,) = launcher(lambda file: file["head_start_ray_commands"].append(f"{RUN} {place}"))
    assert (finding.level, finding.where) == ("error", "head_start_ray_commands.3")
    assert finding.found == f"--studies {place}: not seen to be mounted on {missing}"


@pytest.mark.parametrize("place", ["/mnt/shared", "/mnt/shared/a/b", "s3://lab/studies"])
def test_a_study_on_shared_storage_is_fine(launcher, place: str) -> None:
    assert launcher(lambda file: file["head_start_ray_commands"].append(f"{RUN} {place}")) == []


def test_storage_that_workers_do_not_mount_is_an_error(launcher) -> None:
    (finding,) = launcher(lambda file: file.update(worker_setup_commands=[]))
    assert finding.level == "error"
    assert finding.found.endswith("not seen to be mounted on the workers")


def test_storage_that_the_head_neither_mounts_nor_exports_is_an_error(launcher) -> None:
    (finding,) = launcher(lambda file: file.update(head_setup_commands=[]))
    assert finding.found.endswith("not seen to be mounted on the head")


def test_own_machines_may_mount_it_by_themselves(launcher) -> None:
    def unseen(file) -> None:
        local(file)
        file.update(head_setup_commands=[], worker_setup_commands=[])

    (finding,) = launcher(unseen)
    assert finding.level == "warning"

    def declared(file) -> None:
        unseen(file)
        file["metadata"] = {"shared_storage": "/mnt/shared"}

    assert launcher(declared) == []


def test_a_declared_folder_that_no_command_uses_is_a_warning(launcher) -> None:
    def other(file) -> None:
        local(file)
        file.update(head_setup_commands=[], worker_setup_commands=[])
        file["setup_commands"].append("mkdir -p /mnt/shared/studies")
        file["head_start_ray_commands"][2] = (
            "setsid nohup respsweep ui --serve --artifacts /mnt/shared/mlflow &"
        )
        file["metadata"] = {"shared_storage": "/nfs/lab"}

    (finding,) = launcher(other)
    assert (finding.level, finding.where) == ("warning", "metadata.shared_storage")
    assert (
        finding.found == "/nfs/lab, which no command uses; they use /mnt/shared/studies, /mnt/shared/mlflow"
    )

    def same(file) -> None:
        other(file)
        file["metadata"] = {"shared_storage": "/mnt/shared"}

    assert launcher(same) == []


def test_no_storage_at_all_is_a_warning(launcher) -> None:
    def nothing(file) -> None:
        file.update(head_setup_commands=[], worker_setup_commands=[])
        file["head_start_ray_commands"][2] = "setsid nohup respsweep ui --serve &"

    (finding,) = launcher(nothing)
    assert (finding.level, finding.where) == ("warning", "metadata.shared_storage")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("nfsvers=4.2,soft", "NFS mounted soft"),
        ("nfsvers=3,hard", "NFS without the locks of version 4"),
        ("hard,vers=4.1,nolock", "NFS without the locks of version 4"),
    ],
)
def test_nfs_that_loses_writes_or_locks_is_an_error(launcher, options: str, found: str) -> None:
    def spoil(file) -> None:
        file["worker_setup_commands"] = [
            f"sudo mount -t nfs -o {options} $RAY_HEAD_IP:/mnt/shared /mnt/shared"
        ]

    (finding,) = launcher(spoil)
    assert (finding.level, finding.where, finding.found) == ("error", "worker_setup_commands.0", found)


def test_a_volume_that_ends_with_its_pod_is_not_shared(kuberay) -> None:
    def scratch(job) -> None:
        pod = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]
        pod["volumes"] = [{"name": "shared", "emptyDir": {}}]

    findings = kuberay(scratch)
    assert [(finding.level, finding.where) for finding in findings] == [("error", "spec.entrypoint")] * 2
    assert all(finding.found.endswith("not seen to be mounted on the workers") for finding in findings)
