"""Scores of a curve: sky, predicted damage, cause, recommendation. Arrays in, frozen dataclasses out."""
