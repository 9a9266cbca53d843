"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from detector.errors import OutputError

UNFIT = re.compile(r"[^\w-]+")
TEMPORARY_PREFIX = ".unfinished-"
LEFTOVER = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}(\d+)-")  # of which process
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)
MARK_FILE = ".quaywatch"
MARK_TEXT = "A folder that quaywatch writes: its pictures are results and no scenes.\n"
LOCK_FILE = ".quaywatch.lock"

logger = logging.getLogger(__name__)


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_part(text: str, longest: int) -> str:
    """What of a name from outside fits a part of a file's name, at most `longest` characters."""
    return UNFIT.sub("_", text)[:longest]


@contextmanager
def atomic_path(final: Path) -> Iterator[Path]:
    """A temporary sibling path that becomes `final` when the block ends well.

    Args:
        final: the file to write; an existing one stays as it is until the new one is complete.

    Yields:
        Where to write: a hidden name with the ending of `final`, since writers go by endings. It is
        renamed on success and removed on error.

    Raises:
        OutputError: the disk or the rights do not allow it.
    """
    temporary = final.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{final.name}")
    try:
        yield temporary
        temporary.replace(final)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if _concerns(error, temporary, final):
            raise OutputError(_sentence(final, error)) from error
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """A temporary sibling folder that becomes `final` when the block ends well.

    Args:
        final: the folder to make; an existing one is replaced when the new one is complete.

    Yields:
        A folder to fill, empty but for its mark. It is renamed on success and removed on error.

    Raises:
        OutputError: the disk or the rights do not allow it.
    """
    temporary = final.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{final.name}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _mark(temporary)
        yield temporary
        if final.exists():
            shutil.rmtree(final)
        temporary.replace(final)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if _concerns(error, temporary, final):
            raise OutputError(_sentence(final, error)) from error
        raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def prepare_folder(folder: Path, *, mark: bool | None = None) -> Path:
    """Make a folder that files can be written to, and clear what a killed run left half-done.

    A folder that holds nothing else is marked as one that we write, so that its pictures are taken
    for scenes at no moment (`is_marked`). What a process that still runs has begun stays.

    Args:
        folder: of results.
        mark: True: it is ours whatever lies in it; False: it holds scenes too.

    Raises:
        OutputError: a file stands where the folder should be, or it cannot be written to.
    """
    probe = folder / f"{TEMPORARY_PREFIX}{os.getpid()}-probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
        if mark or (mark is None and all(p.name == LOCK_FILE for p in folder.iterdir())):
            _mark(folder)
        _clear(folder, lambda name: not _is_at_work(name))
    except OSError as error:
        raise OutputError(_sentence(folder, error)) from error
    return folder


@contextmanager
def held_folder(folder: Path) -> Iterator[Path]:
    """As `prepare_folder`; while the block runs no other process can hold the folder.

    Raises:
        OutputError: another process holds it, or as `prepare_folder`.
    """
    prepare_folder(folder)
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"{folder}: another process writes to this folder; wait for it, or name another with "
            "out="
        ) from error
    except (OSError, NotImplementedError) as error:  # some network disks have no locks
        logger.warning("%s: cannot be locked (%s); let one process at a time write", folder, error)
    try:
        _clear(folder, lambda name: True)
        yield folder
    finally:
        with suppress(OSError):
            if {path.name for path in folder.iterdir()} <= {MARK_FILE, LOCK_FILE}:
                (folder / MARK_FILE).unlink(missing_ok=True)  # nothing came of it
            # who waits for the lock sees that this file is gone, and makes a new one
            (folder / LOCK_FILE).unlink(missing_ok=True)
        lock.release()


def is_marked(folder: Path) -> bool:
    """Whether a folder is one that we write."""
    return os.path.lexists(folder / MARK_FILE)


def _mark(folder: Path) -> None:
    (folder / MARK_FILE).write_text(MARK_TEXT, encoding="utf-8")


def _clear(folder: Path, is_left: Callable[[str], bool]) -> None:
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if not is_left(leftover.name):
            continue
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _is_at_work(name: str) -> bool:
    """Whether the process that began a file may still run; unknown counts as yes."""
    match = LEFTOVER.match(name)
    if match is None:
        return True
    try:
        os.kill(int(match.group(1)), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _concerns(error: OSError, *paths: Path) -> bool:
    """Whether an error is of writing `paths`, not of some other file that the block reads."""
    if error.errno is None:
        return False
    unnamed = error.filename is None  # as pyarrow raises
    return unnamed or error.errno in DISK_ERRORS or error.filename in map(str, paths)


def _sentence(path: Path, error: OSError) -> str:
    obstacle = next((p for p in (path, *path.parents) if p.exists() and not p.is_dir()), None)
    if obstacle is not None and isinstance(error, FileExistsError | NotADirectoryError):
        return f"{path}: {obstacle} is a file where a folder should be; name another with out="
    reason = error.strerror or type(error).__name__
    way_out = "make room or name" if error.errno in FULL_ERRORS else "name"
    return f"{path}: cannot be written ({reason}); {way_out} another folder with out="
