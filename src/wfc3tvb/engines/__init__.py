"""Engines that run calwf3's IR steps on files (native, and STScI's calwf3), and their products."""
