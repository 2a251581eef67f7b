"""Damaged and hostile inputs for everything that reads bytes of others: ``python -m tools.fuzz --help``."""
