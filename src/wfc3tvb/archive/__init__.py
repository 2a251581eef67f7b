"""Archives of exposures (MAST, S3, a folder): list datasets, read exposures by byte ranges or whole, fetch products."""
