"""Who solves the neighbourhoods: processes of this machine, or a Dask cluster.

Both are `concurrent.futures` executors, and give the same plan: a neighbourhood is pure
data, and the answers are taken in the order in which they were asked for.
"""

import hashlib
import importlib.metadata
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from solver.errors import SolverError

_PATIENCE = 15  # seconds until the scheduler, and then its workers, must have answered


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """Connect to the scheduler of a Dask cluster, such as ``tcp://host:8786``.

    A worker that dies is no loss: the cluster gives its neighbourhoods to another.

    Raises
    ------
    SolverError
        If `distributed` is not installed, no scheduler answers there, or the scheduler or
        a worker has not this very package: its plan could be another.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an extra, see requirements-dask.txt
    except ImportError:
        raise SolverError(
            "a Dask cluster needs the packages of requirements-dask.txt"
        ) from None
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as fault:
        raise SolverError(f"no Dask scheduler answers at {address}: {fault}") from None
    try:
        executor = cast("Executor", client.get_executor(pure=False))  # type: ignore[no-untyped-call]
        try:
            executor.submit(code).result(_PATIENCE)  # the scheduler reads tasks, too
            codes = set(client.run(code).values())
        except Exception as fault:
            raise SolverError(f"the cluster at {address} cannot search: {fault}") from fault
        if codes != {code()}:
            raise SolverError(
                f"the workers of {address} have another version of solver or OR-Tools"
            )
        yield executor
    finally:
        client.close()  # type: ignore[no-untyped-call]


def code() -> str:
    """Name what this process would search with: the solver's source and its OR-Tools."""
    digest = hashlib.sha256(importlib.metadata.version("ortools").encode())
    package = Path(__file__).parent.parent
    for source in sorted(package.rglob("*.py")):
        digest.update(str(source.relative_to(package)).encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()
