"""What is to be written while the disk is full: tried again and again, and said, until there is room or a stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .engine_error import EngineError
from .protocol import Event
from .run_control import RunControl

T = TypeVar("T")
pause = 1.0


def when_there_is_room(write: Callable[[], T], observer: Callable[[Event], None], control: RunControl) -> T:
    is_said = False
    while True:
        try:
            return write()
        except EngineError as error:
            if error.code != "disk-full" or control.is_stopping:
                raise
            if not is_said:
                observer({"type": "waiting", "code": error.code, "message": error.message})
            is_said = True
        control.until_stopped(pause)
