"""Standards of the Virtual Observatory (IVOA): regions on the sky, ObsCore, maps of coverage, SAMP."""
