"""What the hosts of a SLURM lab have in /etc: SLURM's settings, one more user, and each other's names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.cluster.hosts import HOME, NETWORK, STORAGE

CONTROLLER = "login"
"""The host with slurmctld."""
OTHER = "other"
"""A user who is not root, on all hosts; home is on the storage that they share."""
OTHER_ID = 4711
OTHER_HOME = f"{STORAGE}/home/{OTHER}"


@dataclass(frozen=True)
class SlurmSettings:
    """Settings of one SLURM, whose fields SlurmLab explains."""

    workers: Sequence[str]
    cpus: int
    gpus: int
    grace_s: int
    kill_wait_s: int
    tracking: str
    more: str

    def write(self, etc: Path) -> None:
        """Make the folder that is laid over a host's /etc."""
        (etc / "slurm").mkdir(parents=True)
        (etc / "slurm" / "slurm.conf").write_text(self._slurm_conf())
        # Nothing is opened: SLURM only hands the numbers out, as CUDA_VISIBLE_DEVICES.
        gpus = f"Name=gpu File=/dev/tty[0-{self.gpus - 1}]\n" if self.gpus else ""
        (etc / "slurm" / "gres.conf").write_text(gpus)
        (etc / "slurm" / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        passwd = Path("/etc/passwd").read_text().splitlines()
        users = [
            f"root:x:0:0:root:{HOME}:/bin/bash",
            f"{OTHER}:x:{OTHER_ID}:{OTHER_ID}::{OTHER_HOME}:/bin/bash",
            *(line for line in passwd if not line.startswith("root:")),
        ]
        (etc / "passwd").write_text("\n".join(users) + "\n")
        (etc / "group").write_text(f"{Path('/etc/group').read_text()}{OTHER}:x:{OTHER_ID}:\n")
        names = [f"{address} {name}" for name, address in self._addresses.items()]
        (etc / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names]) + "\n")

    @property
    def _addresses(self) -> dict[str, str]:
        """As Lab gives them to hosts that are named in this order."""
        names = (CONTROLLER, *self.workers)
        return {name: f"{NETWORK}.{number}" for number, name in enumerate(names, start=1)}

    def _slurm_conf(self) -> str:
        offered = f"CPUs={self.cpus} RealMemory=4000" + (f" Gres=gpu:{self.gpus}" if self.gpus else "")
        nodes = [f"NodeName={name} NodeAddr={self._addresses[name]} {offered}" for name in self.workers]
        return _SLURM_CONF.format(
            controller=f"{CONTROLLER}({self._addresses[CONTROLLER]})",
            tracking=self.tracking,
            kill_wait_s=self.kill_wait_s,
            grace_s=self.grace_s,
            nodes="\n".join(nodes),
            more=self.more,
        )


_SLURM_CONF = """\
ClusterName=lab
SlurmctldHost={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
# A job that was requeued waits that long, and at least ten seconds.
AuthInfo=cred_expire=10
StateSaveLocation=/mnt/disk/slurm/state
SlurmdSpoolDir=/mnt/disk/slurm/spool
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
ProctrackType=proctrack/{tracking}
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
MailProg=/bin/true
SwitchType=switch/none
GresTypes=gpu
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait={kill_wait_s}
OverTimeLimit=0
InactiveLimit=0
# How long a job that is over can still be asked for.
MinJobAge=300
SlurmctldTimeout=5
SlurmdTimeout=10
MessageTimeout=5
TCPTimeout=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{nodes}
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 GraceTime={grace_s} MaxTime=INFINITE State=UP
PartitionName=high Nodes=ALL PriorityTier=2 MaxTime=INFINITE State=UP
{more}
"""
