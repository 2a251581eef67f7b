"""Colours of figures and plots, from the palette of Okabe and Ito, which colour-blind people can distinguish."""

from __future__ import annotations

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8a8a8a"
#: Colours of the curves of a plot, in turn.
CURVE_COLORS = (BLUE, RED, GREEN, "#CC79A7", ORANGE, "#56B4E9", "#000000")
CLASS_COLORS = {"none": GREEN, "mild": ORANGE, "moderate": "#CC5500", "severe": "#B00020", None: GREY}
