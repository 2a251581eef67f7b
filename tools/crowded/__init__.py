"""Survey under bad conditions: the archive fails, workers are killed, a compaction and two readers run beside it."""
