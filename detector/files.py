"""Files that are there whole or not at all, and folders that one process writes."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import shutil
import socket
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

from detector.errors import OutputError, QuaywatchError

UNFIT = re.compile(r"[^\w-]+")
TEMPORARY_PREFIX = ".unfinished-"
HOST_DIGITS = 8
# of which process on which machine; names of an earlier version have no machine, and are our own
LEFTOVER = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}(\d+)-(?:([0-9a-f]{{{HOST_DIGITS}}})-)?")
LONGEST_NAME_BYTES = 255  # of most file systems
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)
PROBE_BYTES = 65_536
MARK_FILE = ".quaywatch"
MARK_TEXT = "A folder that quaywatch writes: its pictures are results and no scenes.\n"
LOCK_FILE = ".quaywatch.lock"
PID_NAMESPACE = "/proc/self/ns/pid"
NOWHERE = Path("/nowhere")  # what no name leads to

logger = logging.getLogger(__name__)
_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_file(path: Path) -> bool:
    """Whether a name that data hold is that of a file; one that no disk takes is none's.

    `Path.is_file` raises on a name that is too long.
    """
    return os.path.isfile(path)  # noqa: PTH113 - see above


def file_part(text: str, longest: int) -> str:
    """What of a name from outside fits a part of a file's name, at most `longest` characters."""
    return UNFIT.sub("_", text)[:longest]


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, where they are missing.

    Raises:
        OutputError: a file stands there, or the rights or the disk do not allow it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(write_fault(folder, error)) from error
    return folder


def as_on_disk(name: str) -> str:
    """A path as the disk spells it, where it holds the same letters composed in another way.

    Macs and archives made on them write é as e and an accent (NFD), keyboards write one letter
    (NFC): to most disks these are two names. The name itself where there is such a file, or none.
    """
    if name.isascii() or os.path.lexists(name):
        return name
    path = Path(name)
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        found = found / part if os.path.lexists(found / part) else _alike(found, part)
        if found is NOWHERE:
            return name
    return str(found)


def _alike(folder: Path, part: str) -> Path:
    """The entry of a folder that is called so when its letters are composed."""
    wanted = unicodedata.normalize("NFC", part)
    try:
        for entry in sorted(folder.iterdir()):
            if unicodedata.normalize("NFC", entry.name) == wanted:
                return entry
    except OSError:
        return NOWHERE
    return NOWHERE


@contextmanager
def atomic_path(final: Path, *failures: type[Exception]) -> Iterator[Path]:
    """A temporary sibling path that becomes `final` when the block ends well.

    Args:
        final: the file to write; an existing one stays as it is until the new one is complete.
        failures: what a library raises, beside errors of the system, when it cannot write.

    Yields:
        Where to write: a hidden name with the ending of `final`, since writers go by endings. It is
        renamed on success and removed on error.

    Raises:
        OutputError: the disk or the rights do not allow it.
    """
    temporary = _temporary(final)
    try:
        yield temporary
        temporary.replace(final)
    except failures as error:
        fault = _disk_fault(final.parent) or error
        _discard(temporary)
        raise OutputError(write_fault(final, fault)) from fault
    except OSError as error:
        _discard(temporary)
        if _concerns(error, temporary, final):
            raise OutputError(write_fault(final, error)) from error
        raise
    except BaseException:
        _discard(temporary)
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
    temporary = _temporary(final)
    try:
        _discard(temporary)
        temporary.mkdir(parents=True)
        _mark(temporary)
        yield temporary
        if final.exists():
            shutil.rmtree(final)
        temporary.replace(final)
    except OSError as error:
        _discard(temporary)
        if _concerns(error, temporary, final):
            raise OutputError(write_fault(final, error)) from error
        raise
    except BaseException:
        _discard(temporary)
        raise


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """An empty folder beside another, of its name for messages; it is gone when the block ends.

    Raises:
        OutputError: the disk or the rights do not allow it.
    """
    scratch = _temporary(beside)
    try:
        _discard(scratch)
        scratch.mkdir()
        yield scratch
    except OSError as error:
        if _concerns(error, scratch, beside):
            raise OutputError(write_fault(beside, error)) from error
        raise
    finally:
        _discard(scratch)


def prepare_folder(folder: Path, *, mark: bool | None = None) -> Path:
    """Make a folder that files can be written to, and clear what a killed run left half-done.

    A folder that holds nothing else is marked as one that we write, so that its pictures are taken
    for scenes at no moment (`is_marked`). What a process that still runs has begun stays, and so
    does what one of another machine has: nobody can tell from here whether it runs.

    Args:
        folder: of results.
        mark: True: it is ours whatever lies in it; False: it holds scenes too.

    Raises:
        OutputError: a file stands where the folder should be, or it cannot be written to.
    """
    probe = _temporary(folder / "probe")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
        if mark or (mark is None and all(p.name == LOCK_FILE for p in folder.iterdir())):
            _mark(folder)
        _clear(folder, lambda name: not _is_at_work(name))
    except OSError as error:
        raise OutputError(write_fault(folder, error)) from error
    return folder


@contextmanager
def held_folder(folder: Path, *, mark: bool | None = None, again: bool = False) -> Iterator[Path]:
    """As `prepare_folder`; while the block runs no other process can hold the folder.

    A folder that was made for the block is gone where the block ends with one of our errors and has
    written nothing.

    Args:
        folder: of results.
        mark: as `prepare_folder`.
        again: whoever called may hold the folder already.

    Raises:
        OutputError: another process holds it, or as `prepare_folder`.
    """
    place = folder.absolute()
    if again and place in _held.get():
        yield prepare_folder(folder, mark=mark)
        return
    made = [path for path in (place, *place.parents) if not path.exists()]
    prepare_folder(folder, mark=mark)
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"{folder}: another process writes to this folder{_holder(folder / LOCK_FILE)} or name "
            "another with out="
        ) from error
    except (OSError, NotImplementedError) as error:  # some network disks have no locks
        logger.warning("%s: cannot be locked (%s); let one process at a time write", folder, error)
    before = _held.set(_held.get() | {place})
    try:
        if lock.is_locked:
            _say_who_holds(folder / LOCK_FILE)
            _clear(folder, lambda name: True)
        yield folder
        made.clear()
    except QuaywatchError:
        raise
    except BaseException:
        made.clear()
        raise
    finally:
        _held.reset(before)
        with suppress(OSError):
            if {path.name for path in folder.iterdir()} <= {MARK_FILE, LOCK_FILE}:
                (folder / MARK_FILE).unlink(missing_ok=True)  # nothing came of it
            if lock.is_locked:
                # who waits for the lock sees that this file is gone, and makes a new one
                (folder / LOCK_FILE).unlink(missing_ok=True)
            for path in made:
                path.rmdir()
        lock.release()


def is_marked(folder: Path) -> bool:
    """Whether a folder is one that we write."""
    return os.path.lexists(folder / MARK_FILE)


def write_fault(path: Path, error: Exception) -> str:
    """The sentence for a file or folder that cannot be written, with the way out.

    Args:
        path: of it; temporary folders above it are told by the name that they would get.
        error: of the system, which may name another file, or of a library.
    """
    named = error.filename if isinstance(error, OSError) and error.errno in DISK_ERRORS else None
    if isinstance(named, str) and TEMPORARY_PREFIX not in named:
        path = Path(named)
    path = Path(*(LEFTOVER.sub("", part) for part in path.parts))
    obstacle = next((p for p in (path, *path.parents) if p.exists() and not p.is_dir()), None)
    if obstacle is not None and isinstance(error, FileExistsError | NotADirectoryError):
        return f"{path}: {obstacle} is a file where a folder should be; name another with out="
    # by its number: the words of some libraries hold the name of a temporary file
    told = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    reason = " ".join(LEFTOVER.sub("", told).split())[:200] or type(error).__name__
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return f"{path}: cannot be written ({reason}); raise the limit with ulimit -n"
    way_out = "make room or name" if is_full(error) else "name"
    return f"{path}: cannot be written ({reason}); {way_out} another folder with out="


def is_full(error: BaseException) -> bool:
    """Whether an error, of the system or in the words of a library, is that of a full disk."""
    number = error.errno if isinstance(error, OSError) else None
    return number in FULL_ERRORS or os.strerror(errno.ENOSPC) in str(error)


def _say_who_holds(lock: Path) -> None:
    """Note process and machine in a lock that we hold, as filelock does where a disk has no locks.

    The number alone says nothing on another machine of a shared disk: nobody there may take its
    process for dead.
    """
    mine = f"{os.getpid()}\n{socket.gethostname()}\n".encode("utf-8", "surrogateescape")
    with suppress(OSError):
        if not lock.read_bytes().startswith(mine):  # as that of a process that was killed
            lock.write_bytes(mine)


def _holder(lock: Path) -> str:
    """Which process that is and, before `or`, what can be done about it."""
    try:
        number, host = lock.read_text(encoding="utf-8").split("\n")[:2]
    except (OSError, ValueError):
        return "; wait for it,"
    told = f" (number {number} on {host}); wait for it,"
    if host != socket.gethostname():
        told += f" remove {lock} if that machine has lost it,"
    return told


def _temporary(final: Path) -> Path:
    name = f"{TEMPORARY_PREFIX}{os.getpid()}-{_this_host()}-{final.name}"
    if len(os.fsencode(name)) > LONGEST_NAME_BYTES:
        short = hashlib.sha256(os.fsencode(final.name)).hexdigest()[:16]
        name = f"{TEMPORARY_PREFIX}{os.getpid()}-{_this_host()}-{short}{final.suffix[:16]}"
    return final.with_name(name)


def _this_host() -> str:
    """The machine and, of containers that share its name, the one: where a process number holds."""
    try:
        namespace = str(Path(PID_NAMESPACE).readlink())
    except OSError:
        namespace = ""
    told = f"{socket.gethostname()} {namespace}"
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:HOST_DIGITS]


def _discard(path: Path) -> None:
    """Remove a file or folder of our own; what cannot be removed is cleared by a later run."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _mark(folder: Path) -> None:
    (folder / MARK_FILE).write_text(MARK_TEXT, encoding="utf-8")


def _clear(folder: Path, is_left: Callable[[str], bool]) -> None:
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if is_left(leftover.name):
            _discard(leftover)


def _is_at_work(name: str) -> bool:
    """Whether the process that began a file may still run; unknown counts as yes."""
    match = LEFTOVER.match(name)
    if match is None or match.group(2) not in (None, _this_host()):
        return True
    try:
        os.kill(int(match.group(1)), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _is_in(path: Path, folder: Path) -> bool:
    return folder in (path, *path.parents)


def _concerns(error: OSError, *paths: Path) -> bool:
    """Whether an error is of writing `paths`, not of some other file that the block reads."""
    if error.errno is None:
        return False
    if error.filename is None or error.errno in DISK_ERRORS:  # without a name, as pyarrow raises
        return True
    return isinstance(error.filename, str) and any(_is_in(Path(error.filename), p) for p in paths)


def _disk_fault(folder: Path) -> OSError | None:
    """Why nothing can be written into a folder now: libraries say less than the system."""
    probe = _temporary(folder / "probe")
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        return OSError(error.errno, error.strerror)
    finally:
        _discard(probe)
    return None
