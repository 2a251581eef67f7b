"""Reference files: found by CRDS or by the names in a header, read as images and tables."""
