"""Curves, scores, causes, geometry and repairs: arrays in, arrays or frozen dataclasses out."""
