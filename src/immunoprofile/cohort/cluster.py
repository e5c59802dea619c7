"""The workers of a Dask cluster as an executor like any other; the only module that knows Dask."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor

from immunoprofile.errors import InputError, printable

_SECONDS = 10
"""How long a scheduler may take to answer."""


@contextlib.contextmanager
def open_cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """An executor of the cluster at an address (``tcp://host:port``), and how many tasks it does at a time.

    Raises
    ------
    InputError
        Dask is not installed (``DASK-MISSING``), nothing answers there, or no worker is there (``DASK-SCHEDULER``).

    Notes
    -----
    Dask sends Python objects between machines: a scheduler must be one that you trust, on a network that you trust.
    Workers need the same version of this program, and see the sample files and the results folder under the same paths.
    """
    try:
        from distributed import Client
    except ImportError as problem:
        raise InputError(
            "--scheduler needs Dask, which is not installed",
            code="DASK-MISSING",
            remedy="Install immunoprofile[dask].",
        ) from problem
    try:
        client = Client(address, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as problem:
        raise _unusable(address, "does not answer as a Dask scheduler") from problem
    with client:
        width = sum(client.nthreads().values())
        if width == 0:
            raise _unusable(address, "has no workers")
        yield client.get_executor(pure=False), width


def _unusable(address: str, what: str) -> InputError:
    remedy = "Start scheduler and workers, and give the address that the scheduler prints (tcp://host:port)."
    return InputError(f"scheduler {printable(address, 80)} {what}", code="DASK-SCHEDULER", remedy=remedy)
