"""Proof of a repair: its products held against those before, against physics, and against right star fluxes."""
