"""Where a signal finds the program, and whether it may raise there."""

from __future__ import annotations

from types import FrameType


def importing(frame: FrameType | None) -> bool:
    """Whether modules are being imported: an exception would come out as something else there, or
    as a traceback that nobody catches.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
