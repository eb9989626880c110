"""``novaproxy serve --demo`` on a data directory of its own, through its whole life."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from commands import Operator
from novaproxy.database.processes import server_processes
from served import Service, lives, served, until

CATALOG = """\
currency: EUR
plans: [{slug: mine, name: Mine, type: duration, durations: [{slug: 1_day, name: Day, price: 3, options: [
  {name: "it's", label: L, type: number, min: 5, step: 2, price_per_unit: 1},
  {name: c, label: C, type: select, options: [{value: 7, label: Seven}]}]}]}]
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory of the module's services; ``novaproxy-data`` is made in it."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def operator(directory: Path) -> Operator:
    """An operator who set nothing but a free port."""
    return Operator(directory, {"NOVAPROXY_PORT": "0"})


@pytest.fixture(scope="module")
def demo(operator: Operator) -> Iterator[Service]:
    """The first start of the demo, running."""
    with served(operator, "--demo") as service:
        yield service


def pasted(service: Service) -> httpx.Response:
    """Return what the printed line gives when it is pasted into a shell."""
    (line,) = [line for line in service.said.splitlines() if line.lstrip().startswith("curl")]
    command = line.strip() + r" -w '\n%{http_code}'"
    ran = subprocess.run(["/bin/bash", "-c", command], check=True, capture_output=True, timeout=20)  # noqa: S603 -- as printed
    body, _, status = ran.stdout.decode().rpartition("\n")
    return httpx.Response(int(status), text=body)


def no_process_left(service: Service, workers: list[int], data_dir: Path) -> bool:
    return not any(map(lives, [service.process.pid, *workers])) and not server_processes(data_dir / "postgres")


def test_the_first_start_says_what_takes_long_and_invites_to_an_order(demo: Service, directory: Path) -> None:
    lines = demo.said.splitlines()
    assert lines[0] == f"Making the database in {directory}/novaproxy-data (once) ..."
    assert "  Account  demo@example.com, balance 1000.00 USD" in lines
    answer = pasted(demo)
    assert (answer.status_code, answer.json()["status"]) == (201, "active")
    # Pasted twice by mistake it is still one order.
    again = pasted(demo)
    assert (again.status_code, again.json()["uuid"]) == (201, answer.json()["uuid"])
    assert demo.get("/ready").status_code == 200


def test_commands_work_beside_the_service(demo: Service, operator: Operator) -> None:
    audit, listed, token = operator.all(
        ("audit",), ("account", "list", "--json"), ("token", "create", "demo@example.com", "--name", "other")
    )
    assert audit.status == 0
    assert [account["email"] for account in listed.json] == ["demo@example.com"]
    assert demo.get("/balance", Authorization=f"Bearer {token.said.strip()}").json()["currency"] == "USD"


def test_secrets_are_for_their_owner_alone(demo: Service, directory: Path) -> None:
    assert demo.process.poll() is None
    for name in ("sealing.key", "demo-token", "database-password"):
        assert (directory / "novaproxy-data" / name).stat().st_mode & 0o777 == 0o600


def test_a_worker_that_is_killed_is_replaced(demo: Service) -> None:
    (before,) = demo.workers
    os.kill(before, signal.SIGKILL)
    assert until(lambda: bool(demo.workers) and before not in demo.workers, 10)
    assert demo.get("/ready").status_code == 200


def test_logs_hold_no_token_no_password_no_body(demo: Service, directory: Path) -> None:
    headers = {"Authorization": f"Bearer {demo.token}", "Content-Type": "application/json"}
    httpx.post(f"{demo.address}/orders", headers=headers, content=b'{"plan": "a-marked-body"')
    delivered = httpx.get(f"{demo.address}/orders", headers=headers).json()[0]
    logs = demo.log.read_text() + (directory / "novaproxy-data" / "postgres.log").read_text()
    for secret in (demo.token, delivered["password"], "a-marked-body", "Bearer"):
        assert secret not in logs


def test_ctrl_c_ends_everything_and_the_next_start_finds_it_again(
    demo: Service, operator: Operator, directory: Path
) -> None:
    workers, token, address = demo.workers, demo.token, httpx.URL(demo.address)
    assert demo.end(signal.SIGINT) < 20
    assert demo.said.splitlines()[-1] == "NovaProxy has ended."
    assert no_process_left(demo, workers, directory / "novaproxy-data")
    started_at = time.monotonic()
    key_file = directory / "novaproxy-data" / "sealing.key"
    key_file.chmod(0o644)
    with served(operator, "--demo", "--port", str(address.port), "--workers", "2") as again:
        assert f"can read or change the key file {key_file} (mode 0644)" in again.log.read_text()
        key_file.chmod(0o600)
        assert time.monotonic() - started_at < 10
        assert "Making" not in again.said
        assert again.token == token
        assert "balance 990.00 USD" in again.said
        assert len(again.workers) == 2
        kept = again.get("/orders", Authorization=f"Bearer {token}").json()
        assert [order["status"] for order in kept] == ["active"]
        assert pasted(again).status_code == 201


def test_after_kill_9_the_workers_end_and_the_next_start_adopts_the_database(
    operator: Operator, directory: Path
) -> None:
    data_dir = directory / "novaproxy-data"
    with served(operator, "--demo") as killed:
        workers, port = killed.workers, str(httpx.URL(killed.address).port)
        servers = set(server_processes(data_dir / "postgres"))
        killed.process.kill()
        killed.process.wait()
        killed_at = time.monotonic()
        with served(operator, "--demo", "--port", port) as next_one:
            assert time.monotonic() - killed_at < 10
            assert next_one.get("/ready").status_code == 200
            assert servers & set(server_processes(data_dir / "postgres"))
            assert until(lambda: not any(map(lives, workers)), 10)
            own = next_one.workers
            assert next_one.end(signal.SIGTERM) < 20
            assert no_process_left(next_one, own, data_dir)


def test_a_revoked_demo_token_is_replaced_and_an_operators_catalog_stays(operator: Operator) -> None:
    assert operator("token", "revoke", "demo@example.com", "default").status == 0
    mine = CATALOG.replace("EUR", "USD")
    assert operator("catalog", "apply", "-", stdin=mine.encode()).status == 0
    with served(operator, "--demo", "--host", "::1") as service:
        assert service.address.startswith("http://[::1]:")
        names = {token["name"]: token for token in operator("token", "list", "demo@example.com", "--json").json}
        assert names["default"]["revoked_at"] is not None
        assert names["default-2"]["revoked_at"] is None
        assert [plan["slug"] for plan in service.get("/plans").json()] == ["mine"]
        answer = pasted(service)
        assert answer.status_code == 201
        assert [option["value"] for option in answer.json()["duration_options"]] == [6, 7]


def test_a_shop_with_customers_of_its_own_is_never_made_a_demo(tmp_path: Path) -> None:
    operator = Operator(tmp_path, {"NOVAPROXY_PORT": "0"})
    assert operator("catalog", "apply", "-", stdin=CATALOG.encode()).status == 0
    assert operator("account", "create", "ada@example.com").status == 0

    refused = operator("serve", "--demo")

    assert refused.status == 1
    assert refused.fault == (
        "This shop has customers, and --demo would add demo@example.com with 1000.00 to it: "
        "start it without --demo, or set NOVAPROXY_DATA_DIR to another directory."
    )
    listed = operator("account", "list", "--json").json
    assert [account["email"] for account in listed] == ["ada@example.com"]


def test_a_missing_or_foreign_key_is_one_sentence(operator: Operator, directory: Path) -> None:
    key = directory / "novaproxy-data" / "sealing.key"
    kept = key.read_bytes()
    key.unlink()
    assert operator("serve").errors == (
        f"novaproxy: The key file {key} is missing, and the database's proxy passwords were sealed with it: "
        "bring it back, or set NOVAPROXY_SEALING_KEY to its content.\n"
    )
    assert not key.exists()
    key.write_bytes(b"A" * 43 + b"=")
    assert "This is not the key" in operator("serve").fault
    key.write_bytes(b"no key")
    assert "holds no key" in operator("serve").fault
    key.write_bytes(kept)
