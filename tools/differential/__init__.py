"""Compare with other programs that do the same, on cases drawn anew at every run."""
