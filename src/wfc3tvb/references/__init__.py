"""Reference files: found with CRDS or by the names in a header, read as images and tables."""
