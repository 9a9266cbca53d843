"""Files are there whole or not at all, and a folder that cannot be written is one sentence."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from detector.errors import OutputError
from detector.files import (
    LOCK_FILE,
    MARK_FILE,
    atomic_folder,
    atomic_path,
    held_folder,
    is_marked,
    prepare_folder,
    scratch_folder,
)


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    final = tmp_path / "나진 [1]=a,b~.geojson"
    with atomic_path(final) as temporary:
        temporary.write_text("new")
        assert not final.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".geojson"
    assert final.read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError("x")])
def test_the_old_file_stays_when_the_block_fails(tmp_path: Path, error: BaseException) -> None:
    final = tmp_path / "a.csv"
    final.write_text("old")

    def write() -> None:
        with atomic_path(final) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(type(error)):
        write()
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    expected = pytest.raises(OutputError, match=r"a\.csv: cannot be written \(No space left")
    with expected, atomic_path(tmp_path / "a.csv"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_file_keeps_its_type(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.csv"):
        (tmp_path / "missing.tif").read_bytes()


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    expected = pytest.raises(OutputError, match="cannot be written")
    with expected, atomic_path(tmp_path / "gone" / "a.csv") as temporary:
        temporary.write_text("x")


def test_prepare_makes_the_folder_and_clears_leftovers(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    prepare_folder(folder)
    ended = subprocess.Popen(["true"])
    ended.wait()
    (folder / f".unfinished-{ended.pid}-counts.csv").write_text("of a killed run")
    (folder / "counts.csv").write_text("keep")
    assert prepare_folder(folder) == folder
    assert {path.name for path in folder.iterdir()} == {"counts.csv", MARK_FILE}


def test_what_another_process_writes_stays(tmp_path: Path) -> None:
    """A second process once deleted the unfinished folder of the first."""
    other = tmp_path / f".unfinished-{os.getppid()}-scene"
    other.mkdir()
    prepare_folder(tmp_path)
    assert other.is_dir()
    with held_folder(tmp_path):  # nobody else writes here now
        assert not other.exists()


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from detector.files import held_folder\n"
        "with held_folder(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(OutputError) as told:
            held_folder(tmp_path).__enter__()
        assert str(told.value) == (
            f"{tmp_path}: another process writes to this folder (number {other.pid} on "
            f"{socket.gethostname()}); wait for it, or name another with out="
        )
        other.kill()
    with held_folder(tmp_path) as folder:  # a killed holder holds nothing
        assert folder == tmp_path
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n{socket.gethostname()}\n"


def test_what_a_process_of_another_machine_writes_stays(tmp_path: Path) -> None:
    """On a shared disk its number says nothing here: it was once taken for dead."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    with atomic_path(tmp_path / "counts.csv") as mine:
        mine.write_text("")
        name = mine.name
    number, host = re.fullmatch(r"\.unfinished-(\d+)-([0-9a-f]{8})-counts\.csv", name).groups()  # type: ignore[union-attr]
    assert int(number) == os.getpid()
    here = tmp_path / f".unfinished-{ended.pid}-{host}-a.csv"
    there = tmp_path / f".unfinished-{ended.pid}-{'0' * 8}-a.csv"
    for file in (here, there):
        file.write_text("half")
    prepare_folder(tmp_path)
    assert [here.exists(), there.exists()] == [False, True]
    with held_folder(tmp_path):  # who holds the folder knows that nobody else writes
        assert not there.exists()


def test_who_holds_a_folder_on_another_machine_is_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk without locks a file is the lock: its process cannot be seen from here."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    ended = subprocess.Popen(["true"])
    ended.wait()
    lock = tmp_path / LOCK_FILE
    monkeypatch.setattr(fcntl, "flock", no_locks)
    lock.write_text(f"{ended.pid}\nfar-away\n")
    with pytest.raises(OutputError) as told:
        held_folder(tmp_path).__enter__()
    assert str(told.value) == (
        f"{tmp_path}: another process writes to this folder (number {ended.pid} on far-away); wait "
        f"for it, remove {lock} if that machine has lost it, or name another with out="
    )
    lock.write_text(f"{ended.pid}\n{socket.gethostname()}\n")
    with held_folder(tmp_path):  # of this machine it is known
        number, host, *_ = lock.read_text().split("\n")
        assert (number, host) == (str(os.getpid()), socket.gethostname())
    assert not lock.exists()


def test_a_folder_that_cannot_be_locked_keeps_what_others_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(lock: FileLock) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    there = tmp_path / f".unfinished-1-{'0' * 8}-a.csv"
    there.write_text("half")
    monkeypatch.setattr(FileLock, "_acquire", no_locks)
    monkeypatch.setattr(logging.getLogger("detector"), "propagate", True)
    with held_folder(tmp_path):
        assert there.exists()
    assert "cannot be locked (" in caplog.text


def test_who_holds_a_folder_can_hold_it_again_if_it_says_so(tmp_path: Path) -> None:
    place = tmp_path / "out"
    with held_folder(place), held_folder(place, again=True) as folder:
        (folder / "a.csv").write_text("x")
        with pytest.raises(OutputError, match="another process writes"):
            held_folder(place).__enter__()
    with ThreadPoolExecutor(1) as pool, held_folder(place):
        other = pool.submit(held_folder(place, again=True).__enter__)
        with pytest.raises(OutputError, match="another process writes"):
            other.result()


def test_a_folder_that_nothing_came_of_is_gone(tmp_path: Path) -> None:
    with pytest.raises(OutputError), held_folder(tmp_path / "a" / "b"):
        raise OutputError("nothing")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), held_folder(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert (tmp_path / "a" / "b").is_dir()  # its log will be written there


def test_names_that_are_as_long_as_names_can_be(tmp_path: Path) -> None:
    for name in ("n" * 251 + ".csv", "\ub098" * 83 + ".csv"):
        with atomic_path(tmp_path / name) as temporary:
            temporary.write_text("x")
            assert temporary.suffix == ".csv"
        assert (tmp_path / name).read_text() == "x"


def test_a_fault_inside_a_scene_is_told_by_the_name_that_stays(tmp_path: Path) -> None:
    expected = pytest.raises(OutputError)
    with expected as caught, atomic_folder(tmp_path / "scene") as folder:  # noqa: SIM117
        with scratch_folder(folder) as scratch, atomic_path(scratch / "a.gpkg") as temporary:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(temporary))
    assert str(caught.value) == (
        f"{tmp_path}/scene/a.gpkg: cannot be written (Permission denied); name another folder with "
        "out="
    )
    assert list(tmp_path.iterdir()) == []


def test_what_a_library_says_of_a_disk_that_is_not_full_asks_for_no_room(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught, atomic_path(tmp_path / "a.gpkg", KeyError):
        raise KeyError("no such driver")
    assert str(caught.value) == (
        f"{tmp_path}/a.gpkg: cannot be written ('no such driver'); name another folder with out="
    )


def test_only_a_full_disk_asks_for_room(tmp_path: Path) -> None:
    for number, asks in ((errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EROFS, False)):
        with pytest.raises(OutputError) as caught, atomic_path(tmp_path / "a.csv"):
            raise OSError(number, os.strerror(number))
        assert ("make room" in str(caught.value)) is asks


def test_a_folder_of_ours_is_marked_from_its_first_moment(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "scene") as temporary:
        assert is_marked(temporary)
    assert is_marked(tmp_path / "scene")
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "a.tif").write_bytes(b"")
    assert not is_marked(prepare_folder(tmp_path / "scenes"))
    assert is_marked(prepare_folder(tmp_path / "scenes", mark=True))
    assert not is_marked(prepare_folder(tmp_path / "mixed", mark=False))


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    for folder in (tmp_path / "runs", tmp_path / "runs" / "najin"):
        with pytest.raises(OutputError) as caught:
            prepare_folder(folder)
        assert str(caught.value) == (
            f"{folder}: {tmp_path / 'runs'} is a file where a folder should be; name another with "
            "out="
        )


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a folder nobody can write to")
def test_a_folder_without_the_right_to_write() -> None:
    with pytest.raises(OutputError, match=r"^/proc/runs: cannot be written \("):
        prepare_folder(Path("/proc/runs"))
