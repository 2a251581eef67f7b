"""CRCORR: fit the ramp of every pixel and reject cosmic-ray hits, one pixel or many side by side."""
