"""The log of a real service: each line a fact, one for an outage, and no secret whatever happens."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from database_line import database_line
from novaproxy.database.pool import Target
from novaproxy.serving.logs import told_fault
from services import EmbeddedShop, Service, on_database, within
from shop import CATALOG, Buyer, Shop
from volleys import opened

METRICS_TOKEN = "a-token-of-the-operator"
WATCHED = {"NOVAPROXY_LOG_FORMAT": "json", "NOVAPROXY_ACCESS_LOG": "on", "NOVAPROXY_METRICS_TOKEN": METRICS_TOKEN}
KEY = "a-marked-idempotency-key"
CODE = "A-MARKED-CODE"
BODY = "a-marked-plan"
QUERY = "a-marked-query"

Line = dict[str, Any]


def lines(service: Service) -> list[Line]:
    """Return the log; each line of it must be JSON, with what every line has."""
    read = [json.loads(line) for line in service.log().splitlines()]
    assert all({"timestamp", "level", "event"} <= set(line) for line in read)
    return read


def told(service: Service, event: str) -> list[Line]:
    """Return the lines that tell of *event*."""
    return [line for line in lines(service) if line["event"] == event]


def stocked(target: Target, address: str) -> tuple[Shop, Buyer]:
    shop = Shop(target, address)
    shop.apply_catalog(CATALOG.read_text())
    return shop, shop.buyer()


def order(shop: Shop, buyer: Buyer, request_id: str, **fields: Any) -> httpx.Response:  # noqa: ANN401 -- any JSON
    return shop.http.post("/orders", json=fields, headers=buyer.headers | {"X-Request-Id": request_id})


def break_inside(shop: Shop, buyer: Buyer) -> None:
    """Let no order of *buyer* be written, with an error that quotes what was to be written."""
    shop.sql(
        "CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.account_id = {buyer.account_id} "
        "THEN RAISE EXCEPTION 'row %', NEW.username USING DETAIL = NEW.username; END IF; RETURN NEW; END $$"
    )
    shop.sql("CREATE TRIGGER breaks BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION break()")


def test_no_secret_is_logged_whatever_happens(tmp_path: Path) -> None:
    with EmbeddedShop(tmp_path / "shop") as embedded:
        service = embedded.service
        service.close()
        embedded.service = service = Service({"NOVAPROXY_DATA_DIR": str(tmp_path / "shop"), **WATCHED})
        service.__enter__()
        shop, buyer = stocked(embedded.target, service.address)
        broken = shop.buyer()
        break_inside(shop, broken)

        bought = order(shop, buyer, "bought", plan="mobile", bandwidth=1).json()
        shop.order(buyer, KEY, plan="mobile", bandwidth=1)
        shop.order(buyer, KEY, plan="residential", bandwidth=2)
        order(shop, buyer, "refused", plan=BODY, discount_code=CODE)
        assert order(shop, broken, "broken", plan="mobile", bandwidth=1).status_code == 500
        shop.http.post("/orders", content=f'{{"plan": "{BODY}"'.encode(), headers=buyer.headers)
        shop.http.get(f"/orders/{bought['uuid']}?token={QUERY}", headers=buyer.headers)
        shop.http.get(f"/{buyer.token}/orders")
        shop.http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
        embedded.signal_database(signal.SIGKILL)
        for _ in range(5):
            order(shop, buyer, "away", plan=BODY, bandwidth=1)
            shop.http.get("/orders", headers=buyer.headers)
        os.kill(service.worker_pids()[0], signal.SIGKILL)
        within(20, service.is_ready, "a ready service")
        shop.http.close()
        shop = Shop(embedded.target, service.address)
        assert order(shop, buyer, "again", plan="mobile", bandwidth=1).status_code == 201
        assert service.end() == 0

        log = service.log()
        (failed,) = told(service, "order failed")
        assert (failed["request_id"], failed["sqlstate"]) == ("broken", "P0001")
        assert [line["status"] for line in told(service, "request") if line["request_id"] == "again"] == [201]
        passwords = [embedded.target["password"], (tmp_path / "shop" / "sealing.key").read_text().strip()]
        secrets = [bought["password"], bought["username"], buyer.token, broken.token, METRICS_TOKEN, *passwords]
        for secret in (*secrets, KEY, CODE, BODY, QUERY, "Bearer", buyer.email, "DETAIL"):
            assert secret not in log, secret
        shop.http.close()


def test_an_outage_is_two_lines_however_many_are_refused(database: Target) -> None:
    with database_line(database) as line, Service(on_database(line.target)) as service:
        shop, buyer = stocked(database, service.address)
        assert shop.order(buyer, plan="mobile", bandwidth=1).status_code == 201
        line.is_down = True
        line.cut()
        for _ in range(10):
            assert shop.order(buyer, plan="mobile", bandwidth=1).status_code == 503
            assert shop.http.get("/plans").status_code == 503
        # The worker and the duties each tell it once.
        within(5, lambda: service.log().count("database away") == 2, "the outage")
        line.is_down = False
        within(15, lambda: service.log().count("database back") == 2, "the end of the outage")
        assert service.log().count('event="database away"') == 2
        assert "failed=20" in service.log()
        assert "level=error" not in service.log()
        assert shop.order(buyer, plan="mobile", bandwidth=1).status_code == 201
        shop.http.close()


def test_the_access_log_tells_each_request_once(database: Target) -> None:
    with Service(on_database(database) | WATCHED) as service:
        shop, buyer = stocked(database, service.address)
        bought = order(shop, buyer, "one", plan="mobile", bandwidth=1)
        shop.http.get("/plans/mobile?plan=other", headers={"X-Request-Id": "two"})
        shop.http.get("/no/such/path?a=b", headers={"X-Request-Id": "three"})
        with opened(service.address) as line:
            line.sendall(b"NONSENSE\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 400")
        with opened(service.address) as line:
            line.sendall(b"GET / HTTP/1.1\r\nA: " + b"a" * 40_000 + b"\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 431")

        within(5, lambda: len(told(service, "request")) == 5, "five lines")
        ordered, read, lost, nonsense, long = told(service, "request")
        assert (ordered["method"], ordered["path"], ordered["status"]) == ("POST", "/orders", 201)
        assert (ordered["request_id"], ordered["peer"]) == ("one", "127.0.0.1")
        assert ordered["sent_bytes"] == len(bought.content)
        assert 0 < ordered["milliseconds"] < 5_000
        assert "code" not in ordered
        assert (read["path"], read["request_id"]) == ("/plans/{slug}", "two")
        assert (lost["path"], lost["status"], lost["code"]) == ("/no/such/path", 404, "not_found")
        assert (nonsense["status"], nonsense["code"], nonsense["peer"]) == (400, "not_http", "127.0.0.1")
        assert (long["status"], long["code"]) == (431, "head_too_long")
        shop.http.close()


def test_what_the_access_log_tells_is_what_was_sent_and_no_token(database: Target) -> None:
    with Service(on_database(database) | WATCHED) as service:
        asked = httpx.head(f"{service.address}/plans")
        assert (asked.status_code, int(asked.headers["content-length"]) > 0, asked.content) == (200, True, b"")
        # The token stands across the place where a long path is cut.
        httpx.get(f"{service.address}/{'lost/' * 37}a-token-{'x' * 40}")
        within(5, lambda: len(told(service, "request")) == 2, "two lines")
        head, lost = told(service, "request")
        assert (head["method"], head["sent_bytes"]) == ("HEAD", 0)
        assert lost["path"] == f"/{'lost/' * 37}*"


def test_without_the_access_log_a_quiet_service_logs_nothing(database: Target) -> None:
    with Service(on_database(database)) as service:
        shop, buyer = stocked(database, service.address)
        assert order(shop, buyer, "one", plan="mobile", bandwidth=1).status_code == 201
        assert shop.http.get("/no/such/path").status_code == 404
        # Anybody may send these, as often as he likes.
        upgrade = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        for nonsense in (b"NONSENSE\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" + upgrade + b"N\r\n\r\n"):
            with opened(service.address) as line:
                line.sendall(nonsense)
                assert line.recv(4096).startswith(b"HTTP/1.1 ")
                line.settimeout(0.3)
                with suppress(TimeoutError):
                    while line.recv(4096):
                        pass
        assert service.end() == 0
        assert service.log() == ""
        shop.http.close()


CRASH = """
import asyncio, logging, sys
from novaproxy.serving.logs import configure_logs, log_crashes
from novaproxy.settings import LogFormat
configure_logs(LogFormat(sys.argv[1]))
log_crashes()
logging.getLogger("asyncio").error("a task\\nwas lost: %s", 7, exc_info=ValueError("why"))
logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=ConnectionResetError())
raise RuntimeError('it "broke"')
"""


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_what_libraries_say_and_what_ends_a_process_has_the_same_form(form: str) -> None:
    ran = subprocess.run([sys.executable, "-c", CRASH, form], capture_output=True, text=True, check=False)  # noqa: S603 -- our own text
    assert ran.returncode == 1
    theirs, ours = ran.stderr.splitlines()
    if form == "json":
        assert json.loads(theirs)["event"] == "a task\nwas lost: 7"
        assert json.loads(theirs)["exception"] == "ValueError: why"
        assert (json.loads(ours)["level"], json.loads(ours)["event"]) == ("critical", "process broke")
        assert json.loads(ours)["exception"].endswith('RuntimeError: it "broke"')
    else:
        assert 'level=error event="a task\\nwas lost: 7"' in theirs
        assert "logger=asyncio" in theirs
        assert 'level=critical event="process broke"' in ours
        assert ours.endswith('RuntimeError: it \\"broke\\""')


DEAF = """
import logging, subprocess, sys, time
import structlog
from novaproxy.serving.children import Child
from novaproxy.serving.logs import configure_logs, log_crashes
configure_logs()
log_crashes()
for place in range(3):
    structlog.get_logger().warning("ours", place=place)
logging.getLogger("asyncio").error("theirs %s %s", 7)
logging.getLogger("asyncio").error("theirs", exc_info=ValueError("why"))
began_at = time.monotonic()
child = Child("A process", subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE))
child.wait(0)
print(child.process.returncode, time.monotonic() - began_at < 2, flush=True)
sys.stdin.readline()
structlog.get_logger().warning("after")
raise RuntimeError("the end")
"""


def fill(descriptor: int) -> None:
    """Fill what nobody reads; the descriptor blocks afterwards as before."""
    os.set_blocking(descriptor, False)
    for size_bytes in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(descriptor, b"." * size_bytes)
    os.set_blocking(descriptor, True)


@contextmanager
def deaf(kind: str) -> Iterator[tuple[int, int | None]]:
    """Give a standard error that takes nothing, and the end that would read it where there is one."""
    with ExitStack() as stack:
        reader: int | None = None
        if kind == "a full disk":
            writer = os.open("/dev/full", os.O_WRONLY)
        elif kind == "a full socket":
            # As systemd's journal is one.
            ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
            reader, writer = ours.fileno(), os.dup(theirs.fileno())
            fill(writer)
        else:
            reader, writer = os.pipe()
            if kind == "a pipe without a reader":
                os.close(reader)
                reader = None
            else:
                stack.callback(os.close, reader)
                fill(writer)
        stack.callback(os.close, writer)
        yield writer, reader


@pytest.mark.parametrize("kind", ["a full disk", "a pipe without a reader", "a full pipe", "a full socket"])
def test_a_log_that_takes_no_line_harms_nothing(kind: str) -> None:
    with (
        deaf(kind) as (errors, reader),
        subprocess.Popen(  # noqa: S603 -- our own text
            [sys.executable, "-c", DEAF], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdin is not None
            assert within_reach(process) == "-9 True\n"
            log = drained(reader)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.wait(10) == 1
            log += drained(reader)
        finally:
            process.kill()
    if reader is not None:
        loss, after, end = log.decode().lstrip(".").splitlines()
        # The library's line that was wrong in itself never came to be one.
        assert 'level=warning event="log lines dropped" lines=5' in loss
        assert "event=after" in after
        assert "the end" in end


def within_reach(process: "subprocess.Popen[str]") -> str:
    """Return the first line that *process* says, and nothing where it says none within ten seconds."""
    with selectors.DefaultSelector() as selector:
        assert process.stdout is not None
        selector.register(process.stdout, selectors.EVENT_READ)
        return process.stdout.readline() if selector.select(10) else ""


def drained(reader: int | None) -> bytes:
    """Return what stands in *reader* now."""
    if reader is None:
        return b""
    os.set_blocking(reader, False)
    read = b""
    with suppress(BlockingIOError):
        while more := os.read(reader, 65_536):
            read += more
    return read


def test_without_standard_error_nothing_else_gets_the_log() -> None:
    script = (
        "import os, structlog; from novaproxy.serving.logs import configure_logs; "
        "own = os.open('/dev/null', os.O_RDONLY); reader, writer = os.pipe(); "
        "configure_logs(); structlog.get_logger().warning('lost'); os.write(writer, b'.'); "
        "assert os.read(reader, 100) == b'.'"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, script]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 -- our own text
    assert (ran.returncode, ran.stdout) == (0, "")


def test_a_full_disk_under_the_log_closes_no_shop(database: Target) -> None:
    service = Service(on_database(database) | WATCHED)
    service._log.close()  # noqa: SLF001 -- nobody else wants a log that takes nothing
    service._log = Path("/dev/full").open("wb", buffering=0)  # type: ignore[assignment]  # noqa: SLF001, SIM115 -- closed with the service
    try:
        service.launch()
        service.wait_until_open()
        shop, buyer = stocked(database, service.address)
        broken = shop.buyer()
        break_inside(shop, broken)
        shop.sql("ALTER TABLE account_plan RENAME TO plan_of_account")
        assert order(shop, buyer, "fault", plan="mobile", bandwidth=1).json() == {
            "error": "Something went wrong on our side."
        }
        shop.sql("ALTER TABLE plan_of_account RENAME TO account_plan")
        with opened(service.address) as line:
            line.sendall(b"NONSENSE\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 400")
        with opened(service.address) as line:
            line.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
            within(5, lambda: line.recv(4096, socket.MSG_PEEK).count(b"HTTP/1.1 200") == 2, "both answers")
        for killed in (service.worker_pids()[0], service.duties_pid()):
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
        within(20, service.is_ready, "a ready service")
        shop.http.close()
        shop = Shop(database, service.address)
        assert order(shop, buyer, "again", plan="mobile", bandwidth=1).status_code == 201
        shop.http.close()
        assert service.end() == 0
    finally:
        service.close()


def test_a_fault_is_told_without_the_drivers_words() -> None:
    def quoting() -> asyncpg.PostgresError:
        error = asyncpg.UniqueViolationError("a secret")
        error.detail = "another secret"
        return error

    def fail() -> None:
        try:
            raise quoting()
        except asyncpg.PostgresError:
            raise KeyError("plan")  # noqa: B904 -- as a fault while another one is handled

    def raised() -> BaseException:
        try:
            fail()
        except KeyError as error:
            last = RuntimeError("the desk")
            last.__cause__ = error
            return last
        raise AssertionError

    text = told_fault(raised())
    assert "secret" not in text
    for word in (
        "UniqueViolationError",
        "While this was handled:",
        "KeyError: 'plan'",
        "This led to:",
        "raise quoting()",
    ):
        assert word in text
    assert text.endswith("RuntimeError: the desk")
    group = ExceptionGroup("both", [ValueError("one"), quoting()])
    assert told_fault(group).endswith("ExceptionGroup: both (2 sub-exceptions)\nValueError: one\nUniqueViolationError")
