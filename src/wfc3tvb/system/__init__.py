"""The machine: threads, memory, checksums and files, compiled code."""
