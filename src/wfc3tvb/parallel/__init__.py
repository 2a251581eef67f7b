"""Parallel work: joblib's processes on one machine, Dask on a cluster, and fetching of items in advance.

`backends.run` hands the items (key, item) in batches to the `Workers`. In each worker `attempts` processes them,
fetches the next ones meanwhile, and turns this package's errors into a `Failure`. The driver gets one `Outcome` per
item as soon as it is ready.
"""
