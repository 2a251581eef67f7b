"""Parallel work: joblib's processes on one machine, Dask on a cluster, and reading ahead of the work."""
