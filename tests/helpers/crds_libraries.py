"""Imported by the process that forks CRDS children."""

from tests.helpers.crds_children import load_libraries

load_libraries()
