"""What a launcher has set in the environment of this process: ranks started by torchrun, and what is left over."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from care_bench.errors import CareBenchError

STARTED = "TORCHELASTIC_RUN_ID"
"""Variable by which torch tells that torchrun has started a process."""
RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT")
"""Its variables that are numbers."""
ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
"""What a launcher tells a process that is the only one."""
READ_BY_FABRIC = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Variables that lightning-fabric takes for the rank of this process when it is imported."""
LISTENS = "TORCHELASTIC_USE_AGENT_STORE"
"""Its variable that says whether it listens at MASTER_PORT itself."""
PATIENCE = 4.0
"""Seconds in which torchrun ends this rank if another one has failed as well."""


@contextmanager
def hidden(ranks: bool = True) -> Iterator[None]:
    """Hide from lightning-fabric what it would read from the environment although a run's configuration decides it.

    These are the rank of the process, which a scheduler around it or an earlier command has set and which may be no
    number, and the options that ``fabric run`` passes on (``LT_PRECISION`` would change the weights of a run).

    Args:
        ranks: whether to hide the rank; not where torchrun has set it.
    """
    hide = READ_BY_FABRIC if ranks else ()
    names = [name for name in os.environ if name in hide or name.startswith("LT_")]
    kept = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(kept)


def torchrun_rank() -> int | None:
    """Return the rank of this process where torchrun has started it, else None.

    Raises:
        CareBenchError: variables of torchrun contradict each other, or the torchrun they speak of is not there; or
            another launcher says that this process is one of several, which would each start all ranks.
    """
    if STARTED not in os.environ:
        if several := [name for name in ALONE if os.environ.get(name, ALONE[name]) != ALONE[name]]:
            raise CareBenchError(
                f"{', '.join(f'{name} = {os.environ[name]}' for name in several)} in the environment, and torchrun has "
                "not started this process; expected torchrun or one process, which starts the ranks itself: unset "
                f"{' '.join(several)}"
            )
        return None
    wrong = _left_over()
    if wrong:
        raise CareBenchError(
            f"{wrong}, but {STARTED} says that torchrun has started this process; if it has not, it is left over in "
            f"the environment: unset {STARTED}"
        )
    return int(os.environ["RANK"])


def torchrun_world_size() -> int:
    """Return the number of ranks that torchrun has started, 1 without it."""
    if STARTED not in os.environ or _left_over():
        return 1
    return int(os.environ["WORLD_SIZE"])


def check_interface() -> None:
    """Check that the network interface which is named for the ranks exists: gloo would end in an error of its own.

    Raises:
        CareBenchError: GLOO_SOCKET_IFNAME names one that this machine does not have.
    """
    known = [name for _, name in socket.if_nameindex()]
    for name in filter(None, os.environ.get("GLOO_SOCKET_IFNAME", "").split(",")):
        if name not in known:
            raise CareBenchError(
                f"GLOO_SOCKET_IFNAME = {name} in the environment, and this machine has the network interfaces "
                f"{', '.join(known)}; expected one of them, or the variable unset"
            )


def rank_to_speak() -> int:
    """Return the rank of this process among those that torchrun has started, 0 without it.

    To be asked at the beginning: at its end torchrun does not answer any more.
    """
    return 0 if STARTED not in os.environ or _left_over() else int(os.environ["RANK"])


def speaks(code: int, rank: int) -> bool:
    """Tell whether this process, of a rank as :func:`rank_to_speak` gives it, says why it ends with an exit code.

    Every rank that torchrun has started meets most errors, and the lowest one says it. A higher rank waits: if a lower
    one has failed too, torchrun ends this process meanwhile.
    """
    if rank == 0:
        return True
    if code > 128:  # interrupted, as all ranks are
        return False
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(PATIENCE + min(rank, 8) / 4)
    return True


def _left_over() -> str | None:
    """Return what shows that torchrun's variables are left over from an earlier command, None if they are in use."""
    for name in RANKS:
        if not os.environ.get(name, "").isdecimal():
            return f"{name} is {os.environ[name]!r}" if name in os.environ else f"{name} is missing"
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if rank >= size:
        return f"RANK = {rank} is not below WORLD_SIZE = {size}"
    # torchrun itself listens there before it starts a rank, unless it was told to leave that to rank 0.
    if (listens := os.environ.get(LISTENS)) is None:
        return f"{LISTENS} is missing"
    if listens == "True":
        host, port = os.environ.get("MASTER_ADDR", "localhost"), os.environ["MASTER_PORT"]
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except (OSError, OverflowError, UnicodeError):
            return f"nobody answers at MASTER_ADDR = {host}, MASTER_PORT = {port}"
    return None
