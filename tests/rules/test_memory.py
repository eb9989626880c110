"""How much memory the embedded PostgreSQL takes for its buffers."""

from pathlib import Path

import pytest

from novaproxy.database.memory import buffers_bytes, memory_bytes

MIB = 2**20
GIB = 2**30


@pytest.mark.parametrize(
    ("memory", "buffers"),
    [(0, 128), (512, 128), (1024, 128), (2048, 256), (4001, 500), (8192, 1024), (65536, 1024)],
)
def test_the_buffers_are_an_eighth_of_the_memory_within_bounds(memory: int, buffers: int) -> None:
    assert buffers_bytes(memory * MIB + 12_345) == buffers * MIB


def group(tmp_path: Path, lines: str, limits: dict[str, str]) -> tuple[Path, Path]:
    """Return what stands for /proc/self and for /sys/fs/cgroup."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroups"
    proc.mkdir()
    (proc / "cgroup").write_text(lines)
    for name, limit in limits.items():
        (cgroups / name).parent.mkdir(parents=True, exist_ok=True)
        (cgroups / name).write_text(f"{limit}\n")
    return proc, cgroups


def test_without_control_groups_the_memory_is_the_machines(tmp_path: Path) -> None:
    everything = memory_bytes(tmp_path / "none", tmp_path / "none")
    assert everything > 64 * MIB
    assert memory_bytes(*group(tmp_path, "0::/\n", {})) == everything


@pytest.mark.parametrize(
    ("lines", "limits"),
    [
        ("0::/shop.slice/shop.service\n", {"shop.slice/shop.service/memory.max": str(32 * MIB)}),
        ("0::/shop.slice/shop.service\n", {"shop.slice/memory.max": str(32 * MIB)}),
        ("0::/\n", {"memory.max": str(32 * MIB)}),
        ("0::/a\n", {"a/memory.max": "max", "memory.max": str(32 * MIB)}),
        ("0::/a\n", {"a/memory.max": str(32 * MIB), "memory.max": str(48 * MIB)}),
        ("9:cpu:/\n4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": str(32 * MIB)}),
        ("4:memory:/docker/of-the-host\n", {"memory/memory.limit_in_bytes": str(32 * MIB)}),
        ("4:hugetlb,memory:/a\n", {"memory/a/memory.limit_in_bytes": str(32 * MIB)}),
    ],
)
def test_the_least_limit_around_the_process_counts(tmp_path: Path, lines: str, limits: dict[str, str]) -> None:
    assert memory_bytes(*group(tmp_path, lines, limits)) == 32 * MIB


def test_a_limit_above_the_machine_is_none(tmp_path: Path) -> None:
    everything = memory_bytes(tmp_path / "none", tmp_path / "none")
    files = group(tmp_path, "4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"})
    assert memory_bytes(*files) == everything
