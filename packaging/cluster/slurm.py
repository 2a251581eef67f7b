"""Survey a program on a Slurm cluster: start Dask workers as jobs, and run the command with their scheduler.

Needs ``pip install 'wfc3tvb[cluster]' dask-jobqueue`` in an environment that the nodes see, and nodes that reach MAST.
Run it on a login node, inside tmux or as a small job of its own::

    python slurm.py --jobs 8 -- survey --proposal 12442 --catalog /scratch/me/tvb-catalog

``--show-job`` prints the job that would be submitted.

The jobs end with the command. If they are cancelled, run the same line again: what was measured stays.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any


def slurm_cluster(jobs: int, *, account: str | None = None, partition: str | None = None) -> Any:
    """Return a cluster whose every job is two single-threaded workers with 4 GB together."""
    from dask_jobqueue import SLURMCluster

    # A worker's work is numpy and reading of files, which do not share memory with another's: processes, not threads.
    cluster = SLURMCluster(
        cores=2, processes=2, memory="4GB", walltime="04:00:00", account=account, queue=partition, job_name="wfc3tvb"
    )
    cluster.scale(jobs=jobs)
    return cluster


def run(cluster: Any, arguments: list[str]) -> int:
    """Run a command of wfc3tvb with the workers of a cluster; return its exit code."""
    command = [sys.executable, "-m", "wfc3tvb", *arguments, "--cluster", cluster.scheduler_address]
    return subprocess.run(command, check=False).returncode


def main() -> int:
    """Start the workers, run the command, and stop the workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=4, help="number of Slurm jobs")
    parser.add_argument("--account", help="account that pays")
    parser.add_argument("--partition", help="partition of the cluster")
    parser.add_argument("--show-job", action="store_true", help="print the job, submit nothing")
    parser.add_argument("command", nargs="*", help="command of wfc3tvb, after --")
    options = parser.parse_args()
    jobs = 0 if options.show_job else options.jobs
    with slurm_cluster(jobs, account=options.account, partition=options.partition) as cluster:
        if options.show_job:
            print(cluster.job_script())
            return 0
        return run(cluster, options.command)


if __name__ == "__main__":
    sys.exit(main())
