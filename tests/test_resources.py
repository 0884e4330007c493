"""Memory is refused before it is taken; threads are bounded inside a block and only there."""

import numba
import numpy as np
import pytest
import threadpoolctl

from intertwine import resources

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Stand in for /proc and the control groups."""

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    monkeypatch.setattr(resources, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(resources, "_CGROUP_ROOT", tmp_path / "cgroup")
    write("proc/meminfo", f"MemTotal: 999 kB\nMemAvailable:  {16 * GIB // 1024} kB\n")
    return write


def test_free_memory_of_the_machine(machine):
    assert resources.available_memory() == 16 * GIB


@pytest.mark.parametrize(
    ("cgroup", "folder", "files"),
    [
        ("0::/job/step\n", "cgroup/job", ("memory.max", "memory.current", "inactive_file")),
        ("0::/host/only\n", "cgroup", ("memory.max", "memory.current", "inactive_file")),
        (
            "4:cpu,cpuacct:/job\n3:memory:/job\n",
            "cgroup/memory/job",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
)
def test_a_control_group_around_the_process_counts(machine, cgroup, folder, files):
    limit, usage, cache = files
    machine("proc/self/cgroup", cgroup)
    machine(f"{folder}/{limit}", f"{4 * GIB}\n")
    machine(f"{folder}/{usage}", f"{3 * GIB}\n")
    machine(f"{folder}/memory.stat", f"anon 12\n{cache} {GIB}\n")
    assert resources.available_memory() == 2 * GIB


def test_an_unlimited_control_group_does_not_count(machine):
    machine("proc/self/cgroup", "0::/\n")
    machine("cgroup/memory.max", "max\n")
    machine("cgroup/memory.current", "1\n")
    machine("cgroup/memory.stat", "inactive_file 0\n")
    assert resources.available_memory() == 16 * GIB


def test_an_overdrawn_control_group_leaves_nothing(machine):
    machine("proc/self/cgroup", "0::/\n")
    machine("cgroup/memory.max", "10\n")
    machine("cgroup/memory.current", "30\n")
    machine("cgroup/memory.stat", "inactive_file 0\n")
    assert resources.available_memory() == 0


def test_without_proc_the_system_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "_PROC", tmp_path / "absent")
    assert resources.available_memory() > 0
    monkeypatch.setattr(resources.os, "sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 1000)
    monkeypatch.setattr(resources.os, "sysconf_names", {"SC_PHYS_PAGES": 1})
    assert resources.available_memory() == 4096 * 500


def test_memory_that_is_there_is_granted(machine):
    resources.require_memory(16 * GIB, "the kernel", "a basis")


def test_memory_that_is_not_there_is_refused_with_size_and_advice(machine):
    with pytest.raises(MemoryError, match=r"the kernel needs 20 GiB, 16 GiB are free; use a basis instead"):
        resources.require_memory(20 * GIB, "the kernel", "a basis")


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.977 KiB"),
        (1023.9 * 2**20, "1 GiB"),
        (8e10, "74.5 GiB"),
        (3e18, "2,665 PiB"),
    ],
)
def test_sizes_are_readable(n_bytes, words):
    assert resources.human_size(n_bytes) == words


def blas_threads():
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("fails", [False, True])
def test_threads_are_bounded_inside_and_restored_outside(fails):
    np.ones((2, 2)) @ np.ones((2, 2))
    before = numba.get_num_threads(), blas_threads()
    try:
        with resources.thread_limit(1) as threads:
            assert threads == 1
            assert numba.get_num_threads() == 1
            assert blas_threads() == {1}
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert (numba.get_num_threads(), blas_threads()) == before


def test_none_changes_nothing():
    before = numba.get_num_threads(), blas_threads()
    with resources.thread_limit(None):
        assert (numba.get_num_threads(), blas_threads()) == before


@pytest.mark.parametrize(("n_jobs", "expected"), [(-1, 8), (-2, 7), (-20, 1), (3, 3)])
def test_negative_counts_back_from_all_cores(n_jobs, expected, monkeypatch):
    monkeypatch.setattr(resources.joblib, "cpu_count", lambda: 8)
    with resources.thread_limit(n_jobs) as threads:
        assert threads == expected


def test_zero_threads_is_an_error():
    with pytest.raises(ValueError, match="n_jobs must not be 0"), resources.thread_limit(0):
        pass
