"""AstroDrizzle's steps over arrays in memory, with the same pixels and headers in less time."""
