"""bitsandbytes, which some settings need and most runs do without: whether it is there, and the command that brings it."""

from __future__ import annotations

import importlib.metadata
import sys

from ..engine_error import EngineError


def version() -> str | None:
    """None where it is not installed."""
    try:
        return importlib.metadata.version("bitsandbytes")
    except importlib.metadata.PackageNotFoundError:
        return None


def require_bitsandbytes(key: str) -> None:
    """`key`: the setting that needs it."""
    try:
        import bitsandbytes  # noqa: F401
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        what = "has no bitsandbytes" if version() is None else f"cannot load bitsandbytes {version()}: {_first_line(error)}"
        raise EngineError(
            "bitsandbytes-missing",
            f"{key} needs bitsandbytes, and Python at {sys.executable} {what}",
            remedy=f"Run: {sys.executable} -m pip install --upgrade bitsandbytes. Or leave out {key}.",
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
