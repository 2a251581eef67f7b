"""Engines that run calwf3's IR steps on files (native, STScI's calwf3) and the products that both write."""
