"""Parallel work: joblib's processes on one machine, Dask on a cluster, and reading ahead of the work.

Items (key, item) -> `backends.run` hands them in batches to the `Workers` -> `attempts` calls the worker on each, the
next ones fetched meanwhile, and turns this package's own errors into a `Failure` -> an `Outcome` an item comes back to
the driver, as they are done.
"""
