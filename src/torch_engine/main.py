"""
The trainer program's edge: NDJSON over stdio. Says hello before torch is loaded, takes one start message, runs its job,
obeys commands; the end of stdin means save and leave. stdout carries messages only: whatever anybody prints, C code
included, goes to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from typing import NoReturn

from .engine_error import EngineError
from .numerics import engine_name, numerics_version, protocol_version
from .protocol import Event, NotProtocol, Start, decode_command, encode_line
from .run_control import RunControl

alive_every = 4.0
"""Seconds. The reader counts a trainer as hung when it hears nothing for long; this is well below."""
progress_every = 0.2
longest_line = 16 * 1024 * 1024


def main() -> NoReturn:
    control = RunControl()
    say = Speaker(_own_stdout(), control)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: control.stop())
    say({"type": "hello", "protocol": protocol_version, "engine": engine_name, "numerics": numerics_version})
    start = _read_start(control)
    if start is None:
        _leave(0)
    threading.Thread(target=say.stay_alive, daemon=True).start()
    try:
        if isinstance(start, EngineError):
            raise start
        say(_run_job(start, say, control))
        _leave(0)
    except BaseException as error:
        traceback.print_exc()
        say(_failure(error, start))
        _leave(1)


class Speaker:
    """Writes events, whole lines from any thread; `alive` only after a silence, progress no faster than eyes follow."""

    def __init__(self, descriptor: int, control: RunControl) -> None:
        self._descriptor = descriptor
        self._control = control
        self._lock = threading.RLock()
        self._spoke_at = time.monotonic()
        self._phase = ""
        self._progress_at = float("-inf")
        self._is_closed = False

    def __call__(self, event: Event) -> None:
        with self._lock:
            now = time.monotonic()
            if event["type"] == "progress":
                is_soon = now - self._progress_at < progress_every
                if event["phase"] == self._phase and event["fraction"] < 1 and is_soon:
                    return
                self._phase, self._progress_at = event["phase"], now
            self._spoke_at = now
            self._write(encode_line(event))

    def last(self, event: Event) -> None:
        """Nothing is said after it."""
        with self._lock:
            self(event)
            self._is_closed = True

    def stay_alive(self) -> None:
        while True:
            time.sleep(alive_every / 4)
            if time.monotonic() - self._spoke_at >= alive_every:
                self({"type": "alive"})

    def _write(self, line: bytes) -> None:
        """A reader that is gone must not kill a run in the middle of a step: it is saved and left."""
        while line and not self._is_closed:
            try:
                line = line[os.write(self._descriptor, line) :]
            except OSError:
                self._is_closed = True
                self._control.stop()


def _own_stdout() -> int:
    """The protocol's own copy of stdout; what is printed from here on goes to stderr."""
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return own


def _run_job(start: Start, say: Speaker, control: RunControl) -> Event:
    if start.job == "merge":
        raise EngineError(
            "not-supported", "The job merge is not supported yet", remedy="Train with adapter.output: merged."
        )
    if start.job != "train":
        control.leave_on_stop(lambda: _leave_stopped(say))
    # Threads that wait by spinning take a busy machine's cores from each other: a step took ten times as long. Read when
    # torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from . import jobs

    return jobs.run(start, say, control)


def _read_start(control: RunControl) -> Start | EngineError | None:
    """The first line decides; whatever comes later steers, on a thread of its own. None: stdin ended before."""
    lines = _lines(sys.stdin.buffer)
    first = next(lines, None)
    if first is None:
        return None
    threading.Thread(target=_steer, args=(lines, control), daemon=True).start()
    try:
        command = decode_command(first)
    except NotProtocol as error:
        return EngineError("protocol", f"The first message must be start: {error}")
    if isinstance(command, Start):
        return command
    return EngineError("protocol", f"The first message must be start, not {command['type']}")


def _lines(stream):
    while line := stream.readline(longest_line):
        text = line.decode("utf-8", "replace").strip()
        if text:
            yield text


def _steer(lines, control: RunControl) -> None:
    for line in lines:
        try:
            command = decode_command(line)
        except NotProtocol as error:
            print(f"Ignored a line on stdin: {error}", file=sys.stderr)
            continue
        if isinstance(command, Start):
            print("Ignored a second start message", file=sys.stderr)
        elif command["type"] == "recorded":
            control.recorded(command["checkpoint"])
        else:
            getattr(control, command["type"])()
    control.stop()


def _leave_stopped(say: Speaker) -> NoReturn:
    from .environment import finished_event

    say.last(finished_event("stopped"))
    _leave(0)


def _failure(error: BaseException, start: Start | EngineError | None) -> Event:
    if isinstance(error, ImportError):
        error = EngineError(
            "torch-missing",
            f"Python at {sys.executable} cannot load what the torch engine needs: {error}",
            remedy="Run holdfast doctor; holdfast doctor --install torch makes an environment that fits.",
        )
    if not isinstance(error, EngineError) and isinstance(start, Start):
        from .out_of_memory import named

        error = named(error, start) or error
    if isinstance(error, EngineError):
        return {
            "type": "failed",
            "code": error.code,
            "message": error.message,
            "file": error.file,
            "line": error.line,
            "remedy": error.remedy,
        }
    message = f"{type(error).__name__}: {error}"
    return {"type": "failed", "code": "unexpected", "message": message, "remedy": "The log has the whole story."}


def _leave(code: int) -> NoReturn:
    """At once: everything said was written, and libraries may take long to take leave of a GPU."""
    sys.stderr.flush()
    os._exit(code)
