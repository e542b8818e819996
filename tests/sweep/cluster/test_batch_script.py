from pathlib import Path

from sweep.cluster.batch_script import batch_script, is_batch_script
from sweep.cluster.cluster_file import Capacity

SCRIPT = """#!/bin/bash
#SBATCH --time=1:00:00 -p gpu   # a site's own
#SBATCH --gres gpu:2 -c4
#SBATCH --requeue
module load cuda
#SBATCH --time=9:00:00
respsweep cluster worker first &
"""


def test_options_are_read_as_sbatch_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "workers.sbatch"
    path.write_text(SCRIPT)
    file = batch_script(path)
    assert file.content == {
        "time": "1:00:00",
        "partition": "gpu",
        "gres": "gpu:2",
        "cpus-per-task": "4",
        "requeue": "",
    }
    assert [command.where for command in file.commands] == ["line 5", "line 7"]
    assert [node.capacity for node in file.worker_types] == [Capacity(4, 2)]


def test_a_script_is_known_by_its_name_or_its_lines(tmp_path: Path) -> None:
    for name, text, known in (("a.sh", SCRIPT, True), ("a.sbatch", "x", True), ("a.yaml", "a: 1\n", False)):
        (tmp_path / name).write_text(text)
        assert is_batch_script(tmp_path / name) is known
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert not is_batch_script(tmp_path / "bytes")
