"""Whatever happens while a file is written, its name stands for the old content or the new one."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from model_files import STATE, same

from intertwine.io import load_state, save_state, write_atomically


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_state(path, STATE)
    return path


def test_an_absent_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_state(tmp_path / "absent")


def test_an_absent_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        save_state(tmp_path / "absent" / "m", STATE)


@contextlib.contextmanager
def ordinary_user():
    """Root may write anywhere: step down for a moment where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_folder():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


def test_an_unwritable_folder(public_folder):
    os.chmod(public_folder, 0o555)
    with ordinary_user(), pytest.raises(PermissionError):
        save_state(public_folder / "m", STATE)
    os.chmod(public_folder, 0o777)


def test_an_unwritable_file_in_a_writable_folder(public_folder, monkeypatch):
    path = public_folder / "m"
    path.write_bytes(b"precious")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # access() asks the real user, root here
    with pytest.raises(PermissionError):
        save_state(path, STATE)
    assert path.read_bytes() == b"precious"
    assert list(public_folder.iterdir()) == [path]


@contextlib.contextmanager
def files_no_larger_than(n_bytes):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_disk_that_fills_up_leaves_the_old_file_and_no_other(saved):
    with files_no_larger_than(4096), pytest.raises(OSError, match="File too large"):
        save_state(saved, {"coef_": np.ones(100_000)})
    assert same(STATE, load_state(saved))
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_an_interrupt_leaves_the_old_file_and_no_other(saved, monkeypatch, moment):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, moment, interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_state(saved, {"coef_": np.ones(3)})
    assert same(STATE, load_state(saved))
    assert list(saved.parent.iterdir()) == [saved]


def test_a_kill_while_saving_leaves_the_old_file(saved):
    code = (
        "import os, signal, sys, numpy as np, intertwine.io as io\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "io.save_state(sys.argv[1], {'coef_': np.ones(3)})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, saved], check=False)
    assert done.returncode == -signal.SIGKILL
    assert same(STATE, load_state(saved))


def test_a_symbolic_link_is_followed(saved, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(saved)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert saved.read_bytes() == b"new"


def test_the_file_gets_the_users_usual_rights(saved):
    other = saved.with_name("other")
    other.write_bytes(b"")
    assert saved.stat().st_mode == other.stat().st_mode
