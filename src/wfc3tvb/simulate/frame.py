"""Frames of the IR detector: the full frame and the centered subarrays.

Source: WFC3 Instrument Handbook, sections 5.6 and 7.7; header values of public IR exposures.
"""

from __future__ import annotations

from dataclasses import dataclass

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.instrument import BORDER, FULL_LIGHT

#: Sizes of frames; 1024 is the full frame, the others are light-sensitive pixels.
SIZES = (64, 128, 256, 512, 1024)
FULL = FULL_LIGHT + 2 * BORDER


@dataclass(frozen=True)
class Frame:
    """A square frame, centered on the detector.

    Attributes
    ----------
    size : int
        One of `SIZES`.
    """

    size: int = FULL

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise BadArgumentError(f"unknown frame size {self.size}; choose one of {', '.join(map(str, SIZES))}")

    @property
    def is_full(self) -> bool:
        """True for the full frame."""
        return self.size == FULL

    @property
    def light(self) -> int:
        """Light-sensitive pixels per side."""
        return FULL_LIGHT if self.is_full else self.size

    @property
    def raw(self) -> int:
        """Pixels per side of the file, reference pixels included."""
        return self.light + 2 * BORDER

    @property
    def start(self) -> int:
        """Row and column of the full light-sensitive frame (0-based) at which the frame's first one lies."""
        return (FULL_LIGHT - self.light) // 2

    @property
    def ltv(self) -> int:
        """Keywords LTV1 and LTV2 of a raw frame: from a light-sensitive pixel's full-frame number to its own."""
        return BORDER - self.start

    @property
    def subtype(self) -> str:
        """Keyword SUBTYPE."""
        return "FULLIMAG" if self.is_full else f"SQ{self.size}SUB"

    @property
    def aperture(self) -> str:
        """Keyword APERTURE: those with the reference pixel at the detector's center."""
        return "IR-FIX" if self.is_full else f"IRSUB{self.size}-FIX"

    @property
    def cut(self) -> tuple[slice, slice]:
        """The frame, reference pixels included, within a full frame of 1024 x 1024."""
        part = slice(self.start, self.start + self.raw)
        return part, part

    @property
    def inner(self) -> tuple[slice, slice]:
        """The light-sensitive part of the frame as it is in a file."""
        part = slice(BORDER, BORDER + self.light)
        return part, part
