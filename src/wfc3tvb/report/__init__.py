"""Figures, pages, explorer."""
