"""What is asked of a run from outside: stop, checkpoint, pause, resume. The loop looks at it between steps."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RunControl:
    def __init__(self) -> None:
        # Reentrant: a signal may come while the main thread holds it.
        self._changed = threading.Condition(threading.RLock())
        self._stopping = False
        self._paused = False
        self._checkpoint_asked = False
        self._recorded: str | None = None
        self._on_stop: Callable[[], None] | None = None

    def stop(self) -> None:
        """The step under way is finished and saved. Ends a pause."""
        with self._changed:
            self._stopping = True
            self._paused = False
            leave = self._on_stop
            self._changed.notify_all()
        if leave:
            leave()

    def leave_on_stop(self, leave: Callable[[], None]) -> None:
        """For jobs that keep nothing and may be left at any point."""
        with self._changed:
            self._on_stop = leave
            if not self._stopping:
                return
        leave()

    def checkpoint(self) -> None:
        with self._changed:
            self._checkpoint_asked = True

    def pause(self) -> None:
        with self._changed:
            self._paused = not self._stopping

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def recorded(self, checkpoint: str) -> None:
        """The reader keeps everything up to this checkpoint."""
        with self._changed:
            self._recorded = checkpoint
            self._changed.notify_all()

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    def is_recorded(self, checkpoint: str) -> bool:
        return self._recorded == checkpoint

    def until_recorded(self, checkpoint: str, patience: float) -> None:
        """Or until `patience` seconds have passed: the reader may be gone."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_recorded(checkpoint), patience)

    def until_resumed(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._paused)

    def until_stopped(self, patience: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, patience)

    @property
    def is_checkpoint_asked(self) -> bool:
        return self._checkpoint_asked

    def take_checkpoint_request(self) -> bool:
        """True once for each time it was asked."""
        with self._changed:
            asked, self._checkpoint_asked = self._checkpoint_asked, False
            return asked
