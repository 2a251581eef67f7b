"""Table access protocol (TAP 1.1) on the explorer: the catalog's tables for TOPCAT, pyvo and other clients."""
