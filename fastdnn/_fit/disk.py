"""Files: read as they are, and written so that at any moment the old or the new one is whole."""

import errno
import io
import mmap
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

_T = TypeVar("_T")


def is_path(target: Any) -> bool:
    """Whether it names a file, or is an open one; other objects are a TypeError."""
    if isinstance(target, (str, bytes, os.PathLike)):
        return True
    if isinstance(target, io.TextIOBase) or not (
        hasattr(target, "read") or hasattr(target, "write")
    ):
        raise TypeError(
            f"path must be a path or a file opened as binary, got {type(target).__name__}"
        )
    return False


def read(source: Any, reader: Callable[[Any, int | None], _T]) -> _T:
    """Call a reader with an open file and, where it is known, the number of its bytes."""
    if not is_path(source):
        return reader(source, None)
    with Path(os.fsdecode(source)).open("rb") as file:
        found = os.fstat(file.fileno())
        return reader(file, found.st_size if stat.S_ISREG(found.st_mode) else None)


def mapped(source: Any) -> Any:
    """Map a file: what is written to the memory is the process's own, and never the file's."""
    if not is_path(source):
        raise TypeError("path must be a path to be mapped, not an open file")
    with Path(os.fsdecode(source)).open("rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            # nothing that could be mapped
            return file.read(8) if stat.S_ISREG(found.st_mode) else b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def write(target: Any, parts: Iterable[Any]) -> None:
    """Write a file.

    By way of a new file in the same folder, which takes the old one's name when all of it is on the
    disk. A link stays one, to the new file; what hard links name stays the old one. An open file is
    written to as it is.

    Raises
    ------
    OSError
        If it cannot be written. The old file then is as it was.
    """
    if not is_path(target):
        for part in parts:
            _write_all(target.write, part)
        return
    name = os.fsdecode(target)
    try:
        if name.endswith(("/", os.sep)):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        _replace(Path(os.path.realpath(name)), parts)
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from None


def _replace(path: Path, parts: Iterable[Any]) -> None:
    old = None
    with suppress(FileNotFoundError):
        old = path.stat()
    if old is not None:
        if stat.S_ISDIR(old.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(old.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        if not os.access(path, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    # a name of a length that every folder takes
    new = path.parent / f".fastdnn-{token_hex(8)}.tmp"
    try:
        # the mode that the process's umask leaves
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(new, flags, 0o666), "wb", buffering=0) as file:
            if old is not None:
                _own(file.fileno(), old)
            for part in parts:
                _write_all(file.write, part)
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    if os.name == "posix":
        # the name too is on the disk; a few file systems cannot say so
        with suppress(OSError):
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _own(file: int, old: os.stat_result) -> None:
    """Give a file the owner, as far as the process may, and the mode of another."""
    if hasattr(os, "fchown") and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(OSError):
            os.fchown(file, old.st_uid, old.st_gid)
    if hasattr(os, "fchmod"):
        os.fchmod(file, stat.S_IMODE(old.st_mode))


def _write_all(write: Callable[[Any], int | None], part: Any) -> None:
    """Write a part; a raw file may take some of it at a time."""
    view = memoryview(part).cast("B")
    while view.nbytes:
        taken = write(view)
        if taken is None and not isinstance(getattr(write, "__self__", None), io.RawIOBase):
            # an object that does not say takes all
            return
        if not taken or taken < 0:
            raise BlockingIOError(errno.EAGAIN, "the file takes no more now")
        view = view[taken:]
