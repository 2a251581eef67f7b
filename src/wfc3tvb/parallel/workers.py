"""Number and location of the workers that share a command's work."""

from __future__ import annotations

from dataclasses import dataclass

#: Number of workers assumed for a cluster elsewhere.
_FOREIGN_WORKERS = 8
#: Threads of a worker that has the machine to itself.
_THREADS_IN_THIS_PROCESS = 2


@dataclass(frozen=True)
class Workers:
    """Number and location of the workers that share a command's work, and their threads.

    Attributes
    ----------
    jobs : int
        Worker processes on this machine; 1 works in this process.
    cluster : str or None
        ``local:N`` for a Dask cluster of N workers on this machine, or the address of a Dask scheduler; it takes the
        place of `jobs`.
    threads : int or None
        Threads of each worker; None means 1, or 2 for `reprocess` in this process.
    """

    jobs: int = 1
    cluster: str | None = None
    threads: int | None = None

    @property
    def in_this_process(self) -> bool:
        """True if the work is done in this process, one item after the other."""
        return self.jobs == 1 and self.cluster is None

    @property
    def on_this_machine(self) -> bool:
        """True if the workers share this machine and its memory."""
        return self.cluster is None or self.cluster.startswith("local:")

    @property
    def count(self) -> int:
        """Number of workers; an assumption for a cluster elsewhere."""
        if self.cluster is None:
            return self.jobs
        count = self.cluster.removeprefix("local:")
        return int(count) if count.isdigit() else _FOREIGN_WORKERS

    @property
    def threads_each(self) -> int:
        """Threads of each worker: as given, else two for work in this process, and one otherwise."""
        return self.threads or (_THREADS_IN_THIS_PROCESS if self.in_this_process else 1)


#: The default: work in this process.
HERE = Workers()
