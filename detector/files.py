"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detector.errors import OutputError

UNFIT = re.compile(r"[^\w-]+")
TEMPORARY_PREFIX = ".unfinished-"
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


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
        An empty folder to fill. It is renamed on success and removed on error.

    Raises:
        OutputError: the disk or the rights do not allow it.
    """
    temporary = final.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{final.name}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
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


def prepare_folder(folder: Path) -> Path:
    """Make a folder that files can be written to, and clear what a killed run left half-done.

    Raises:
        OutputError: a file stands where the folder should be, or it cannot be written to.
    """
    probe = folder / f"{TEMPORARY_PREFIX}{os.getpid()}-probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(_sentence(folder, error)) from error
    return folder


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
    return f"{path}: cannot be written ({reason}); name another folder with out= or make room"
