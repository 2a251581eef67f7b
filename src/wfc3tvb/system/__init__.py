"""System facilities: threads, memory, files and checksums, network settings, compiled code."""
