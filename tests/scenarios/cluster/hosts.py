"""Hosts of our own making on one machine: each has its own network, processes, mounts, host name, home and sshd.

A switch, a namespace with a bridge, joins them; nothing of it is seen by the machine itself, and all of it ends with
the processes that hold it. Needs root, and Debian's iproute2, openssh-server and rsync.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.apt import apt_get

Found = TypeVar("Found")
REPOSITORY = Path(__file__).parents[3]
NETWORK = "10.77.0"
HOME = "/mnt/home"
STORAGE = "/mnt/respsweep"
"""Where every host sees the storage that they share."""
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""In front of a command: the kernel ends it with the thread that started it, however that ends."""
PACKAGES = {
    "ip": "iproute2",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "rsync": "rsync",
    "curl": "curl",
    "pkill": "procps",
}


class HostsError(RuntimeError):
    """A host cannot be made here, or a command on one went wrong."""


def install_what_hosts_need() -> None:
    """Debian's packages, where they are missing. Raises HostsError when they, or the rights, are not to be had."""
    if os.geteuid() != 0:
        raise HostsError("hosts in namespaces of their own need root")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [package for command, package in PACKAGES.items() if shutil.which(command, path=path) is None]
    if missing:
        for arguments in (["update"], ["install", "-y", "-q", *missing]):
            done = apt_get(*arguments)
            if done.returncode:
                raise HostsError(f"apt-get {' '.join(arguments)}: {done.stderr.strip()[-300:]}")
    if str(REPOSITORY).startswith("/mnt/") or sys.prefix.startswith("/mnt/"):
        raise HostsError("this clone or its Python lies in /mnt, which the hosts use for themselves")
    probe = subprocess.run(["unshare", "--net", "--pid", "--fork", "--mount", "true"], capture_output=True)
    if probe.returncode:
        raise HostsError(f"no namespaces here: {probe.stderr.decode().strip()}")


@dataclass
class Host:
    """One machine. `folder` holds what is on its disk: its home and its /tmp; it outlives the host's death.

    `at_boot`: lines of shell that it runs once its disk is mounted, before its network is up.
    """

    name: str
    address: str
    folder: Path
    switch: int
    shared: Path
    at_boot: str = ""
    _unshare: subprocess.Popen[bytes] | None = None
    _init: int = 0

    def start(self) -> None:
        """Switch it on. Its sshd answers when this returns."""
        self._make_disk()
        script = self.folder / "init.sh"
        script.write_text(self._boot_script())
        own = ["--net", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc"]
        with (self.folder / "console.log").open("ab") as log:
            self._unshare = subprocess.Popen(
                [*ENDS_WITH_US, "unshare", *own, "bash", str(script)],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._init = _wait(f"{self.name}'s first process", lambda: _only_child(self._unshare))
        self._plug_in()
        _wait(
            f"{self.name}'s sshd", lambda: "sshd is up" if self.run("ss -Hltn sport = :22").stdout else None
        )

    def kill(self) -> None:
        """A power cut: the cable first, so that nobody hears of it, then everything that runs on it."""
        if self._unshare is None:
            return
        subprocess.run(
            ["nsenter", "-t", str(self._init), "-n", "ip", "link", "set", "eth0", "down"], capture_output=True
        )
        self._unshare.kill()  # which ends its child, the first process, too
        self._unshare.wait(timeout=30)
        self._unshare = None

    def run(
        self, command: str, *, timeout: float = 120, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on it, as root in its home. Raises HostsError if `check` and it fails."""
        done = subprocess.run(
            self._inside(command), capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
        if check and done.returncode:
            raise HostsError(
                f"{self.name}: {command}: exit status {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def popen(self, command: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a shell command on it; what it prints goes to `log`."""
        with log.open("ab") as printed:
            return subprocess.Popen(
                self._inside(command), stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT
            )

    def processes(self) -> list[str]:
        """Command lines of all that runs on it, but for its first process, sshd and this look."""
        listed = self.run("ps -eo args --no-headers").stdout.splitlines()
        own = ("bash " + str(self.folder), "sshd:", "/usr/sbin/sshd", "ps -eo", "bash -c", "sleep infinity")
        return [line for line in listed if not line.startswith(own)]

    @property
    def home(self) -> Path:
        """Its home, as seen from outside."""
        return self.folder / "home"

    def _inside(self, command: str) -> list[str]:
        environment = {
            "HOME": HOME,
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
        }
        return [
            *("nsenter", "-t", str(self._init), "-n", "-p", "-m", "-u", "-i", "env", "-i"),
            *(f"{name}={value}" for name, value in environment.items()),
            *("bash", "-c", f"cd {HOME} && {command}"),
        ]

    def _make_disk(self) -> None:
        for part in ("home/.ssh", "home/.ray", "tmp", "keys"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        key = self.folder / "keys" / "host"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        passwd = Path("/etc/passwd").read_text().splitlines()
        ours = [
            line if not line.startswith("root:") else f"root:x:0:0:root:{HOME}:/bin/bash" for line in passwd
        ]
        (self.folder / "passwd").write_text("\n".join(ours) + "\n")

    def _boot_script(self) -> str:
        # What the host must go on to see although its own /tmp hides it: this clone, and the Python that it runs on.
        hidden = [
            path
            for path in (REPOSITORY, Path(sys.prefix), Path(sys.base_prefix))
            if path.is_relative_to("/tmp")
        ]
        keep = "".join(f"mkdir -p /mnt/kept{path}; mount --bind {path} /mnt/kept{path}\n" for path in hidden)
        show = "".join(f"mkdir -p {path}; mount --bind /mnt/kept{path} {path}\n" for path in hidden)
        return (
            textwrap.dedent(f"""\
            set -e
            hostname {self.name}
            mount --make-rprivate /
            mount -t proc proc /proc
            mount -t tmpfs tmpfs /mnt
            mkdir {HOME} {STORAGE} /mnt/disk
            mount --bind {self.folder} /mnt/disk
            mount --bind {self.folder}/home {HOME}
            mount --bind {self.shared} {STORAGE}
            mount --bind {self.folder}/passwd /etc/passwd
            """)
            + keep
            + "rm -rf /mnt/disk/tmp/*\nmount --bind /mnt/disk/tmp /tmp\n"
            + show
            + self.at_boot
            + textwrap.dedent("""\
            mount -t tmpfs -o size=1g tmpfs /dev/shm
            mount -t tmpfs tmpfs /run
            mkdir /run/sshd
            ip link set lo up
            until ip -4 address show dev eth0 2>/dev/null | grep -q inet; do sleep 0.02; done
            /usr/sbin/sshd -D -e -f /dev/null -h /mnt/disk/keys/host -o UsePAM=no -o PermitRootLogin=yes \\
                -o PasswordAuthentication=no -o MaxStartups=50 -o MaxSessions=50 &
            sleep infinity & wait
            """)
        )

    def _plug_in(self) -> None:
        cable = f"to-{self.name}"[:15]
        into_switch = ["nsenter", "-t", str(self.switch), "-n", "ip", "link"]
        subprocess.run([*into_switch, "del", cable], capture_output=True)
        plug = ["add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(self._init)]
        subprocess.run([*into_switch, *plug], check=True)
        subprocess.run([*into_switch, "set", cable, "master", "bridge", "up"], check=True)
        inside = ["nsenter", "-t", str(self._init), "-n", "ip"]
        subprocess.run([*inside, "link", "set", "eth0", "up"], check=True)
        subprocess.run([*inside, "route", "add", f"{NETWORK}.0/24", "dev", "eth0"], capture_output=True)
        subprocess.run([*inside, "address", "add", f"{self.address}/24", "dev", "eth0"], check=True)
        # Ray finds its own address by looking where a packet to the world would leave.
        subprocess.run([*inside, "route", "add", "default", "via", f"{NETWORK}.254"], check=True)


@dataclass
class Lab:
    """A switch, and the hosts that are plugged into it. `at_boot`: what each of them runs as it boots."""

    folder: Path
    at_boot: str = ""
    hosts: dict[str, Host] = field(default_factory=dict)
    _switch: subprocess.Popen[bytes] | None = None

    @property
    def shared(self) -> Path:
        """The storage that all hosts see, from outside."""
        return self.folder / "shared"

    def start(self, *names: str) -> None:
        """Make the hosts and let any of them into all others by ssh, with the key at `~/.ssh/lab`."""
        self.shared.mkdir(parents=True)
        self._switch = subprocess.Popen(
            [*ENDS_WITH_US, "unshare", "--net", "sleep", "infinity"], start_new_session=True
        )
        own = os.readlink("/proc/self/ns/net")
        switch = self._switch.pid
        _wait("the switch", lambda: os.readlink(f"/proc/{switch}/ns/net") != own or None)
        inside = ["nsenter", "-t", str(switch), "-n", "ip", "link"]
        subprocess.run([*inside, "add", "bridge", "type", "bridge"], check=True)
        subprocess.run([*inside, "set", "bridge", "up"], check=True)
        key = self.folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        for number, name in enumerate(names, start=1):
            host = Host(name, f"{NETWORK}.{number}", self.folder / name, switch, self.shared, self.at_boot)
            (host.home / ".ssh").mkdir(parents=True)
            shutil.copy(key, host.home / ".ssh" / "lab")
            shutil.copy(key.with_suffix(".pub"), host.home / ".ssh" / "authorized_keys")
            self.hosts[name] = host
            host.start()

    def stop(self) -> None:
        for host in self.hosts.values():
            host.kill()
        if self._switch is not None:
            self._switch.kill()
            self._switch.wait()


def install_python(host: Host, project_there: str = f"{HOME}/respsweep") -> None:
    """What `make .venv/ready` would take minutes and gigabytes for: a `.venv` in the host's `~/respsweep`, up to date.

    Libraries are those of the environment that runs this test; `data`, `model` and `sweep` those in `project_there`,
    which `ray up` brings.
    """
    project = host.home / "respsweep"
    venv = project / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    (venv / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    site = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    site.mkdir(parents=True)
    (site / "respsweep.pth").write_text(f"{project_there}\n{sysconfig.get_paths()['purelib']}\n")
    for name in ("ray", "respsweep", "mlflow"):
        body = (Path(sys.executable).parent / name).read_text().split("\n", 1)[1]
        script = venv / "bin" / name
        script.write_text(f"#!{HOME}/respsweep/.venv/bin/python\n{body}")
        script.chmod(0o755)
    (venv / "ready").touch()


def _only_child(process: subprocess.Popen[bytes] | None) -> int | None:
    assert process is not None
    if process.poll() is not None:
        raise HostsError(f"unshare ended with status {process.returncode}")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else None


def _wait(what: str, look: Callable[[], Found | None], seconds: float = 60) -> Found:
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise HostsError(f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.05)
    return found


def quoted(*words: object) -> str:
    """Words as one shell command."""
    return shlex.join(str(word) for word in words)
