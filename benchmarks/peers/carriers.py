"""Every carrier that is measured: how it is started, which process carries, and how a client comes through it."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.peers.load import Way
from benchmarks.processes import cpu_seconds, family
from benchmarks.shop import NOVAPROXY, environment

GIGABYTES = 900
"""Of each order."""

ORDERS = 4
"""So many share the idle tunnels: one may have only so many at once."""

_HAPROXY = """\
global
  maxconn 6000
  maxpipes 256
  nbthread 1
  tune.pipesize 1048576
defaults
  mode tcp
  timeout connect 10s
  timeout client 300s
  timeout server 300s
  option splice-request
  option splice-response
listen carrier
  bind 127.0.0.1:{port} backlog 4096
  server origin 127.0.0.1:{origin}
"""
_SQUID = """\
http_port 127.0.0.1:{port}
http_access allow all
cache deny all
cache_mem 0 MB
access_log none
cache_log {directory}/squid.log
cache_store_log none
pid_filename {directory}/squid.pid
coredump_dir {directory}
max_filedescriptors 16384
shutdown_lifetime 0 seconds
"""
_CATALOG = """\
currency: USD
plans:
  - slug: traffic
    name: Traffic
    type: bandwidth
    protocols: [{{code: http, host: 127.0.0.1, port: {port}}}]
    bandwidths: [{{bandwidth: 1, price_per_gb: 0.01}}]
"""


@dataclass(frozen=True, slots=True)
class Carrier:
    """One that runs: the process that carries, its descendants with it, and the way through it."""

    pid: int
    way: Way

    def cpu_seconds(self) -> float:
        """User and system time so far, of all threads and descendants, those that have ended among them."""
        return cpu_seconds(self.pid)

    def resident_bytes(self) -> int:
        """Memory that is in use now."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in family(self.pid))
        return pages * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def connect(origin: int, login: str = "") -> bytes:
    """Return the request for a tunnel to the origin."""
    said = f"Proxy-Authorization: Basic {b64encode(login.encode()).decode()}\r\n" if login else ""
    return f"CONNECT 127.0.0.1:{origin} HTTP/1.1\r\nHost: 127.0.0.1:{origin}\r\n{said}\r\n".encode()


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nobody listens on port {port}")


@contextmanager
def running(command: Sequence[str], port: int, *hellos: bytes) -> Iterator[Carrier]:
    """Run *command*, which carries itself, in the foreground."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 -- ours
    try:
        wait_for(port)
        yield Carrier(process.pid, Way(port, hellos))
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def gateway(scratch: Path, origin: int) -> Iterator[Carrier]:
    """The gateway of a shop, on the credentials of an order."""
    port, api_port = free_port(), free_port()
    variables = environment(scratch / "data")
    variables |= {"NOVAPROXY_GATEWAY": "on", "NOVAPROXY_GATEWAY_ALLOW": f"127.0.0.1:{origin}"}
    (scratch / "catalog.yaml").write_text(_CATALOG.format(port=port))

    def run(*words: str) -> str:
        return subprocess.run([NOVAPROXY, *words], env=variables, check=True, capture_output=True, text=True).stdout  # noqa: S603

    run("catalog", "apply", str(scratch / "catalog.yaml"))
    run("account", "create", "bench@example.com")
    run("account", "credit", "bench@example.com", "100", "--reason", "bench")
    token = run("token", "create", "bench@example.com").strip()
    command = [NOVAPROXY, "serve", "--port", str(api_port)]
    with (scratch / "log").open("w") as log:
        service = subprocess.Popen(command, env=variables, stdout=log, stderr=log)  # noqa: S603 -- our own command
    try:
        wait_for(port)
        wait_for(api_port)
        hellos = [connect(origin, _bought(api_port, token, number)) for number in range(ORDERS)]
        yield Carrier(_child(service.pid, "novaproxy.serving.gateway"), Way(port, tuple(hellos)))
    finally:
        service.terminate()
        service.wait(30)


def _bought(port: int, token: str, number: int) -> str:
    """Return the credentials of a new order."""
    answer = httpx.post(
        f"http://127.0.0.1:{port}/orders",
        json={"plan": "traffic", "bandwidth": GIGABYTES},
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": f"bench-{number}"},
    )
    order = answer.raise_for_status().json()
    return f"{order['username']}:{order['password']}"


def _child(parent: int, module: str) -> int:
    for pid in family(parent):
        if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise SystemExit(f"no {module} runs")


@contextmanager
def bare(scratch: Path, origin: int) -> Iterator[Carrier]:
    """The gateway's entrance and engine alone."""
    del scratch
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.peers.bare", str(port)], port, connect(origin)) as carrier:
        yield carrier


@contextmanager
def streams(scratch: Path, origin: int) -> Iterator[Carrier]:
    """A proxy on asyncio's streams."""
    del scratch
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.peers.streams", str(port)], port, connect(origin)) as carrier:
        yield carrier


@contextmanager
def haproxy(scratch: Path, origin: int) -> Iterator[Carrier]:
    """HAProxy in TCP mode straight to the origin: it terminates no CONNECT."""
    port = free_port()
    (scratch / "haproxy.cfg").write_text(_HAPROXY.format(port=port, origin=origin))
    with running([_binary("haproxy"), "-db", "-f", str(scratch / "haproxy.cfg")], port) as carrier:
        yield carrier


@contextmanager
def squid(scratch: Path, origin: int) -> Iterator[Carrier]:
    """Squid, which asks nobody for a password and keeps nothing."""
    port = free_port()
    (scratch / "squid.conf").write_text(_SQUID.format(port=port, directory=scratch))
    if os.geteuid() == 0:  # it becomes this user, who writes here
        user = pwd.getpwnam("proxy")
        scratch.parent.chmod(0o755)
        os.chown(scratch, user.pw_uid, user.pw_gid)
    with running([_binary("squid"), "-N", "-f", str(scratch / "squid.conf")], port, connect(origin)) as carrier:
        yield carrier


def _binary(name: str) -> str:
    return find(name) or name


def find(name: str) -> str | None:
    """Return where the program of a Debian package is, None where it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


CARRIERS: dict[str, Callable[[Path, int], AbstractContextManager[Carrier]]] = {
    "gateway": gateway,
    "bare": bare,
    "haproxy": haproxy,
    "squid": squid,
    "streams": streams,
}
