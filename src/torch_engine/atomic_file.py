"""Writes files and folders whole or not at all: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable

from .engine_error import EngineError


def write_atomic(file: str, text: str) -> None:
    temporary = f"{file}.{os.getpid()}.tmp"
    data = text.encode()
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(temporary, "wb") as handle:
            handle.write(data)
            handle.flush()
            if os.fstat(handle.fileno()).st_size != len(data):
                raise OSError(errno.EIO, "only a part was written")
            os.fsync(handle.fileno())
        os.replace(temporary, file)
        sync_folder(os.path.dirname(file))
    except OSError as error:
        _remove(temporary)
        raise write_error(file, error) from error


def write_folder(folder: str, fill: Callable[[str], None]) -> int:
    """
    `fill` writes files into a hidden folder beside it, which then appears by one rename. An existing folder of that name
    is replaced. Returns its bytes.
    """
    parent, name = os.path.split(folder)
    temporary = os.path.join(parent, f".{name}.{os.getpid()}.tmp")
    try:
        os.makedirs(parent, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        os.mkdir(temporary)
        fill(temporary)
        files = [os.path.join(temporary, each) for each in os.listdir(temporary)]
        for each in files:
            sync_file(each)
        sync_folder(temporary)
        size = sum(os.path.getsize(each) for each in files)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(temporary, folder)
        sync_folder(parent)
        return size
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise write_error(folder, error) from error
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        # Libraries written in Rust tell a full disk in words only.
        if "os error 28" in str(error):
            raise write_error(folder, OSError(errno.ENOSPC, str(error))) from error
        raise


def sync_file(file: str) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: str) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_error(file: str, error: OSError) -> EngineError:
    """The disk's own words, with the place and what to do."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        code, remedy = "disk-full", "Free some space on this disk."
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        code, remedy = "no-permission", "Check the permissions."
    else:
        code, remedy = "write-failed", None
    return EngineError(code, f"Cannot write {file}: {error}", file=file, remedy=remedy)


def _remove(file: str) -> None:
    try:
        os.remove(file)
    except OSError:
        pass
