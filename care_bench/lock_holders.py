"""What the system knows of locks: which process holds one, and whether only those of this machine are known."""

from __future__ import annotations

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    (
        *("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "panfs", "orangefs", "afs", "cifs", "smb3"),
        *("fuse.ceph", "fuse.glusterfs", "fuse.juicefs", "fuse.sshfs", "fuse.beegfs"),
    )
)
"""File systems that several machines may share. On NFS, Linux tells the others of locks of files, not of folders."""
SHOWN = 120
"""Characters of a command that a message shows."""


def shared_by_machines(descriptor: int) -> bool:
    """Return whether an open file or folder is on a file system that other machines may use too.

    Where the system does not say, as outside Linux, it is not.
    """
    device = os.fstat(descriptor).st_dev
    place = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return False
    # The kind stands after a dash, behind a varying number of words.
    return any(words[2] == place and words[words.index("-", 6) + 1] in NETWORK for words in mounts)


def holder(descriptor: int) -> str:
    """Name the process that holds the lock of an open file or folder: its number and command where the system says."""
    inode = os.fstat(descriptor).st_ino
    try:
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        pid = next(row[4] for row in rows if row[1] == "FLOCK" and row[5].endswith(f":{inode}") and int(row[4]) > 0)
        words = Path("/proc", pid, "cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError, IndexError, StopIteration):
        return "another process"
    command = " ".join(" ".join(words).split())
    return f"process {pid} ({command if len(command) <= SHOWN else command[:SHOWN] + '...'})"
