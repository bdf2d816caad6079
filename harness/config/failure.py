"""What went wrong in code of the user's own, and on which line of their file."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def in_a_line(error: Exception) -> str:
    """What it says, or of which kind it is."""
    return " ".join(str(error).split()) or type(error).__name__


def failed(function: Callable[..., Any], error: Exception) -> str:
    """Its last line that had a part in it; its first, where none had."""
    code = getattr(function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    file, line = (code.co_filename, code.co_firstlineno) if code else frames[-1][:2]
    line = next((each.lineno for each in reversed(frames) if each.filename == file), line)
    return f"{type(error).__name__}: {in_a_line(error)} ({Path(file).name}:{line})"
