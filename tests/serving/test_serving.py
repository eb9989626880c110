"""``novaproxy serve`` beside others: on a database of the operator's own, and two data directories at once."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from commands import Operator
from consoles import free_port
from served import served, until


def test_the_service_ends_in_time_beside_a_client_that_never_finishes(operator: Operator) -> None:
    with served(operator, "--port", "0") as service:
        assert "demo" not in service.said
        assert "stays in the database of NOVAPROXY_DATABASE_URL" in service.said
        url = httpx.URL(service.address)
        with socket.create_connection((url.host, url.port or 0)) as slow:
            slow.sendall(b"POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: 10\r\n\r\n{")
            assert service.get("/health").status_code == 200
            assert service.end() < 20
        # Nobody holds the port any more.
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind((url.host, url.port or 0))


def test_a_second_ctrl_c_does_not_cut_the_ending_short(operator: Operator) -> None:
    with served(operator, "--port", "0") as service:
        workers = service.workers
        os.killpg(service.process.pid, signal.SIGINT)
        os.killpg(service.process.pid, signal.SIGINT)
        assert service.process.wait(20) == 0
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 1)
        assert service.said.endswith("NovaProxy has ended.\n")


@pytest.mark.parametrize("output", ["full disk", "full pipe"])
def test_a_service_opens_and_ends_whatever_becomes_of_what_it_says(operator: Operator, output: str) -> None:
    port = free_port()
    out, reading = (os.open("/dev/full", os.O_WRONLY), None) if output == "full disk" else full_pipe()
    process = operator.start("serve", "--port", port, stdout=out, stderr=out)
    try:
        assert until(lambda: is_open(port), 20)
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        for descriptor in filter(None, (out, reading)):
            os.close(descriptor)


def is_open(port: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
    return False


def full_pipe() -> tuple[int, int]:
    """Return both ends, writing and reading, of a pipe that takes not one byte more."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for piece in (b"." * 4096, b"."):
        with suppress(BlockingIOError):
            while True:
                os.write(writing, piece)
    os.set_blocking(writing, True)
    return writing, reading


def test_a_service_whose_reader_went_away_stays_open(operator: Operator) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = operator.start("serve", "--port", str(port), stdout=writing)
    os.close(writing)

    def is_ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
        except httpx.TransportError:
            return False

    try:
        assert until(is_ready, 15)
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_two_data_directories_never_disturb_each_other(tmp_path: Path) -> None:
    one, other = (Operator(tmp_path, {"NOVAPROXY_DATA_DIR": str(tmp_path / name)}) for name in ("one", "other"))
    with served(one, "--port", "0") as first, served(other, "--port", "0") as second:
        assert first.address != second.address
        one("account", "create", "one@example.com")
        assert [account["email"] for account in one("account", "list", "--json").json] == ["one@example.com"]
        assert other("account", "list", "--json").json == []
        first.end()
        assert second.get("/ready").status_code == 200
    # Without a server the same commands start the database and stop it again.
    assert [account["email"] for account in one("account", "list", "--json").json] == ["one@example.com"]
    assert not (tmp_path / "one" / "postgres" / "postmaster.pid").exists()


def test_two_demos_at_once_make_one_shop(operator: Operator) -> None:
    other = Operator(operator.directory / "other", operator.settings)
    other.directory.mkdir()
    # A second machine on the same database has the same key, and a token file of its own.
    key = "A" * 43 + "="
    settings = {**operator.settings, "NOVAPROXY_SEALING_KEY": key}
    pair = [Operator(place.directory, settings) for place in (operator, other)]
    with served(pair[0], "--demo", "--port", "0") as first, served(pair[1], "--demo", "--port", "0") as second:
        assert first.token != second.token
        assert "balance 1000.00 USD" in first.said
        assert "balance 1000.00 USD" in second.said
    assert [account["balance"] for account in pair[0]("account", "list", "--json").json] == [1000]
