"""Saving leaves the old file or the new one, with its mode, its link and its owner's room."""

import errno
import io
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from processes import run_apart

from fastdnn import Network, load, save
from fastdnn._fit import disk

NET = Network([4, 3, 1], rng=0)
posix = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
not_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_that_the_process_gives(mask, tmp_path):
    before = os.umask(mask)
    try:
        save(NET, tmp_path / "net")
    finally:
        os.umask(before)
    assert mode(tmp_path / "net") == 0o666 & ~mask


@posix
def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "net"
    for bits in (0o600, 0o640, 0o755):
        path.touch()
        path.chmod(bits)
        save(NET, path)
        assert mode(path) == bits
        assert repr(load(path)) == repr(NET)


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to(target)
    for _ in range(2):  # at first the target is missing
        save(NET, link)
        assert link.is_symlink()
        assert repr(load(target)) == repr(load(link)) == repr(NET)
    assert [*target.parent.iterdir()] == [target]


def test_long_and_odd_names(tmp_path):
    for name in ("n" * 255, " ", "ä\n.x", ".hidden"):
        save(NET, tmp_path / name)
        assert repr(load(str(tmp_path / name))) == repr(NET)
    assert len([*tmp_path.iterdir()]) == 4


def test_a_path_of_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(NET, "net")
    assert repr(load("net")) == repr(NET)


# ----------------------------------------------------------------------------------- what fails


def fails(path, kind, number):
    with pytest.raises(kind) as raised:
        save(NET, path)
    assert raised.value.errno == number
    assert raised.value.filename == str(path)


def test_folders_and_missing_ones(tmp_path):
    fails(tmp_path, IsADirectoryError, errno.EISDIR)
    fails(f"{tmp_path}/missing/", IsADirectoryError, errno.EISDIR)
    fails(tmp_path / "none" / "net", FileNotFoundError, errno.ENOENT)
    (tmp_path / "file").write_bytes(b"before")
    fails(tmp_path / "file" / "net", NotADirectoryError, errno.ENOTDIR)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


@posix
def test_a_file_that_is_none_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    fails(tmp_path / "pipe", OSError, errno.EINVAL)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    fails("/dev/full", OSError, errno.EINVAL)


@posix
@not_root
def test_without_permission(tmp_path):
    path = tmp_path / "net"
    path.write_bytes(b"before")
    path.chmod(0o400)
    fails(path, PermissionError, errno.EACCES)
    tmp_path.chmod(0o500)
    fails(tmp_path / "new", PermissionError, errno.EACCES)
    tmp_path.chmod(0o700)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


@pytest.mark.parametrize("at", ["write", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_whatever_fails_the_old_file_stays(at, error, tmp_path, monkeypatch):
    path = tmp_path / "net"
    path.write_bytes(b"before")

    def fail(*arguments):
        raise error

    if at == "write":
        monkeypatch.setattr(disk, "_write_all", fail)
    elif at == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(disk.Path, "replace", fail)
    with pytest.raises(type(error)) as raised:
        save(NET, path)
    assert getattr(raised.value, "errno", errno.ENOSPC) == errno.ENOSPC
    monkeypatch.undo()
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


@posix
def test_a_full_disk(tmp_path):
    # a limit on the size of files ends a write as a full disk does: with a part of it written
    code = """
        import resource, signal, sys, fastdnn
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        net = fastdnn.Network([300, 100, 1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        try:
            fastdnn.save(net, sys.argv[1])
        except OSError as error:
            print(error.errno, error.filename)
    """
    path = tmp_path / "net"
    path.write_bytes(b"before")
    assert run_apart(code, str(path)) == f"{errno.EFBIG} {path}\n"
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


def test_open_files(tmp_path):
    with (tmp_path / "net").open("wb") as file:
        save(NET, file)
    with (tmp_path / "net").open("rb") as file:
        assert repr(load(file)) == repr(NET)

    class Slow(io.RawIOBase):
        def __init__(self):
            self.found = b""

        def writable(self):
            return True

        def write(self, part):
            self.found += bytes(part[:7])
            return min(7, len(part))

    slow = Slow()
    save(NET, slow)
    assert slow.found == (tmp_path / "net").read_bytes()
    for taken in (None, 0, -1):
        Slow.write = lambda self, part, taken=taken: taken
        with pytest.raises(BlockingIOError, match="takes no more"):
            save(NET, Slow())
    with (tmp_path / "text").open("w", encoding="utf-8") as file:
        with pytest.raises(TypeError, match="opened as binary"):
            save(NET, file)
        assert not file.tell()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_at_any_moment(tmp_path):
    script = __file__.replace("files/test_saving.py", "campaign/kills.py")
    run = subprocess.run(
        [sys.executable, "-P", script, "--kills", "50", "--folder", str(tmp_path)],
        capture_output=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_two_threads_and_one_name(tmp_path):
    from threading import Thread

    nets = [Network([40, 30, 1], init=float(i)) for i in range(3)]
    path = tmp_path / "net"
    threads = [Thread(target=lambda n=n: [save(n, path) for _ in range(20)]) for n in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = load(path).parameters["W1"]
    assert any(np.array_equal(found, net.parameters["W1"]) for net in nets)
    assert [*tmp_path.iterdir()] == [path]
