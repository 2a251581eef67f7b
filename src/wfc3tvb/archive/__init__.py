"""Archives of exposures (MAST, S3, a folder): list datasets, open an exposure by bytes or whole, fetch products."""
