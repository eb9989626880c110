"""The README's commands, typed as they stand there."""

from pathlib import Path

import httpx

from commands import SCRIPT, Operator, environment
from consoles import BLOCK, SERVE, Step, console, free_port
from served import served

ROOT = Path(__file__).parents[2]


def commands(heading: str) -> list[str]:
    """Return the commands of the README's section *heading*, without their comments."""
    section = (ROOT / "README.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    (block,) = [block for language, block in BLOCK.findall(section) if language == "sh"]
    return [line.partition("  #")[0].strip() for line in block.splitlines()]


def test_the_first_order_and_the_own_shop_of_the_readme_work(tmp_path: Path) -> None:
    port = free_port()
    # What a reader has in the directory of the repository.
    (tmp_path / "src").symlink_to(ROOT / "src")
    (tmp_path / ".venv").symlink_to(SCRIPT.parents[1])

    with console(tmp_path, environment(NOVAPROXY_PORT=port), port) as typed:
        with served(Operator(tmp_path, {"NOVAPROXY_PORT": port}), "--demo"):
            for command in commands("A first order in five lines"):
                status, printed = typed.type(command)
                assert status == 0, printed
            assert '"status":"active"' in printed

        *prepared, last = commands("Your own shop")
        for command in prepared:
            status, printed = typed.type(command.replace("/var/lib/my-shop", str(tmp_path / "my-shop")))
            assert status == 0, printed
        assert last == SERVE
        typed.follow(Step(SERVE, ["…"]))
        assert len(httpx.get(f"http://127.0.0.1:{port}/plans").json()) == 10
        assert not (tmp_path / "my-shop" / "demo-token").exists()
