"""A failure the user can act on: a code for programs, place and remedy for people."""

from __future__ import annotations


class EngineError(Exception):
    def __init__(
        self, code: str, message: str, *, file: str | None = None, line: int | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.file = file
        self.line = line
        self.remedy = remedy
