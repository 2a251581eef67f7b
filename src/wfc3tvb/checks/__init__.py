"""Checks of an installation and of the live services: `doctor`, `validate`."""
