"""A Slurm cluster of one node on this machine: ``python -m tests.slurm.cluster start|stop FOLDER``.

It needs Debian's packages slurmctld, slurmd, slurm-client and munge, and no systemd, cgroups or database. All files are
in the folder, and nothing of another Slurm on the machine is used. Commands find it by SLURM_CONF=FOLDER/slurm.conf.

The node pretends to have GPUs and much memory, so that jobs may ask for what they ask of a real one. Jobs of the
partition `urgent` preempt those of `normal`, which are queued again.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
SBIN = ("/usr/sbin", "/usr/local/sbin")
CORES, MEMORY, GPUS = 4, 256_000, 8
SLURM_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={requeue_delay}
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=30
MinJobAge=3600
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=normal Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10
"""
REQUEUE_DELAY = 5
"""Seconds that a preempted job waits before it can start again; 120 by default."""


def missing() -> list[str]:
    """Return the programs that are needed and not installed."""
    return [name for name in PROGRAMS if _program(name) is None]


def start(folder: Path) -> dict[str, str]:
    """Start the cluster and wait until its node takes jobs; return the variables for commands that use it.

    Raises:
        RuntimeError: a daemon did not start; the message has the end of its log.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # munged insists on it
    host = socket.gethostname().partition(".")[0]
    controller, daemon = _free_ports()
    settings = {"host": host, "controller": controller, "daemon": daemon, "user": getpass.getuser(), "folder": folder}
    settings |= {"cores": CORES, "memory": MEMORY, "gpus": GPUS, "requeue_delay": REQUEUE_DELAY}
    (folder / "slurm.conf").write_text(SLURM_CONF.format(**settings))
    for number in range(GPUS):
        (folder / f"gpu{number}").touch()  # the device of a pretended GPU
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={folder}/gpu[0-{GPUS - 1}]\n")
    (folder / "cgroup.conf").write_text(f"CgroupPlugin={_cgroup_plugin()}\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    variables = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{_srun(folder)}:{os.environ['PATH']}"}
    munge = [f"--{name}={folder}/munge.{name.removesuffix('-file')}" for name in ("key-file", "socket", "pid-file")]
    munge += [f"--{name}={folder}/munge.{name.removesuffix('-file')}" for name in ("log-file", "seed-file")]
    try:
        _start(folder, "munge", ["munged", "--force", *munge], variables)
        _start(folder, "slurmctld", ["slurmctld", "-c", "-i", "-f", variables["SLURM_CONF"]], variables)
        _start(folder, "slurmd", ["slurmd", "-N", host, "-f", variables["SLURM_CONF"]], variables)
        _wait_for_the_node(folder, variables)
    except BaseException:
        stop(folder)
        raise
    return variables


def stop(folder: Path) -> None:
    """Cancel the jobs of the cluster and end its daemons."""
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    if (folder / "slurmctld.pid").exists():
        for partition in ("normal", "urgent"):
            command = [str(_program("scancel")), "--quiet", "--partition", partition]
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(command, env=environment, capture_output=True, check=False, timeout=20)
    for name in ("slurmd", "slurmctld", "munge"):
        _end(folder / f"{name}.pid")


def _srun(folder: Path) -> Path:
    """Return a folder with an srun that finds the cluster: snakemake's executor calls it without SLURM_CONF."""
    script = folder / "bin" / "srun"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {_program("srun")} "$@"\n')
    script.chmod(0o755)
    return script.parent


def _cgroup_plugin() -> str:
    """Return the plugin that needs no cgroups; before 23.11 one has to be named, and none of its parts is used."""
    said = subprocess.run([str(_program("slurmd")), "-V"], capture_output=True, text=True, check=True).stdout
    year, month = said.split()[1].split(".")[:2]
    return "disabled" if (int(year), int(month)) >= (23, 11) else "cgroup/v1"


def _start(folder: Path, name: str, command: list[str], variables: dict[str, str]) -> None:
    """Start a daemon, which goes to the background."""
    program = str(_program(command[0]))
    environment = {**os.environ, **variables}
    ended = subprocess.run([program, *command[1:]], env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{command[0]} did not start: {ended.stderr}{_end_of(folder / f'{name}.log')}")


def _wait_for_the_node(folder: Path, variables: dict[str, str], seconds: float = 60.0) -> None:
    command = [str(_program("sinfo")), "--noheader", "--partition", "normal", "--format", "%T"]
    until = time.monotonic() + seconds
    found = ""
    while time.monotonic() < until:
        ended = subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=60
        )
        found = ended.stdout.strip() or ended.stderr.strip()
        if found == "idle":
            return
        time.sleep(0.2)
    raise RuntimeError(
        f"the node is {found!r} after {seconds:g} s, expected 'idle':\n{_end_of(folder / 'slurmctld.log')}"
        f"{_end_of(folder / 'slurmd.log')}"
    )


def _end(pid_file: Path, seconds: float = 20.0) -> None:
    """End the process that a file names, by SIGTERM and if it must be by SIGKILL."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    for number, patience in ((15, seconds), (9, 5.0)):
        until = time.monotonic() + patience
        while time.monotonic() < until:
            try:
                os.kill(pid, number if until - time.monotonic() > patience - 0.1 else 0)
            except ProcessLookupError:
                pid_file.unlink(missing_ok=True)
                return
            time.sleep(0.1)


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *SBIN)))


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) + "\n" if log.exists() else ""


if __name__ == "__main__":
    action, place = sys.argv[1], Path(sys.argv[2]).resolve()
    if action == "start":
        print(*(f"export {name}={value}" for name, value in start(place).items()), sep="\n")
    else:
        stop(place)
