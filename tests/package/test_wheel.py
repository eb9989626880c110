"""The wheel: whole, and enough by itself to open the demo shop and sell."""
# ruff: noqa: S603 -- the programs are this interpreter and our own script

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it is published."""
    place = tmp_path_factory.mktemp("dist")
    words = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True, timeout=60)
    (built,) = place.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    wanted = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert wanted <= held
    for needed in ("py.typed", "__main__.py", "catalog/demo.yaml", "database/migrations/0001_tables.sql"):
        assert f"novaproxy/{needed}" in held
    assert not [name for name in held if "tests" in name]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of an environment that has the wheel, and this environment's other packages."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True, timeout=60)
    (packages,) = place.glob("lib/python*/site-packages")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        place / "bin" / "python",
        "install",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, "--quiet", wheel], check=True, timeout=60)
    # Behind its own packages, so that the installed novaproxy is the one that is found. A line that only adds a path
    # leaves the files of editable installs, .pth too, unread.
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return place / "bin" / "novaproxy"


def test_the_installed_wheel_opens_the_demo_shop_in_an_empty_directory(installed: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NOVAPROXY_", "PYTHON"))}
    where = subprocess.run(
        [installed.with_name("python"), "-c", "import novaproxy; print(novaproxy.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=kept,
    )
    assert where.stdout.startswith(str(installed.parents[1]))
    process = subprocess.Popen(
        [installed, "serve", "--demo", "--port", "0"],
        cwd=tmp_path,
        env={**kept, "NOVAPROXY_GATEWAY": "off"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C ends it" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        found = re.search(r"curl -sS (\S+) -H 'Authorization: (Bearer \S+)'", said)
        assert found is not None
        order = {"plan": "residential", "bandwidth": 2}
        answer = httpx.post(found[1], json=order, headers={"Authorization": found[2]}, timeout=10)
        assert answer.status_code == 201
        assert [path.name for path in tmp_path.iterdir()] == ["novaproxy-data"]
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
