"""The demo from its printed lines alone: an order, a page through the proxy that it bought, and what that consumed."""

import json
import signal
import socket
import subprocess
from pathlib import Path

from commands import Operator
from deliveries import free_ports
from served import Service, served, until

CATALOG = """\
currency: USD
plans: [{{slug: mine, name: Mine, type: bandwidth, bandwidths: [{{bandwidth: 1, price_per_gb: 3}}],
         protocols: [{{code: http, host: 127.0.0.1, port: {port}}}]}}]
"""


def lines(service: Service) -> list[str]:
    """Return the lines that are there to be pasted."""
    return [line.strip() for line in service.said.splitlines() if line.lstrip().startswith("curl")]


def pasted(line: str) -> str:
    """Return what *line* writes in a shell."""
    ran = subprocess.run(["/bin/bash", "-c", line], check=True, capture_output=True, timeout=20, text=True)  # noqa: S603 -- as printed
    return ran.stdout


def test_the_printed_lines_buy_a_proxy_fetch_a_page_through_it_and_tell_what_it_consumed(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    operator = Operator(tmp_path, {"NOVAPROXY_PORT": "0", "NOVAPROXY_GATEWAY": "on"})
    assert operator("catalog", "apply", "-", stdin=CATALOG.format(port=port).encode()).status == 0
    with served(operator, "--demo") as service:
        order, page, consumed = lines(service)
        bought = json.loads(pasted(order))
        fetched = pasted(page)
        assert "It works." in fetched

        def consumed_bytes() -> int:
            (listed,) = json.loads(pasted(consumed))
            assert listed["uuid"] == bought["uuid"]
            return int(listed["consumed_bandwidth_in_bytes"])

        # The request's head and the answer's, and the page.
        assert until(lambda: len(fetched) < consumed_bytes() < len(fetched) + 1_000, 2)
        api = service.address
        refused = pasted(page.replace(page.split()[2], f"{api}/metrics"))
        assert json.loads(refused) == {"error": "This target is not allowed."}
        assert service.end(signal.SIGTERM) < 20


def test_a_port_that_somebody_has_is_one_sentence_before_anything_is_opened(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        operator = Operator(tmp_path, {"NOVAPROXY_PORT": "0", "NOVAPROXY_GATEWAY": "on"})
        assert operator("catalog", "apply", "-", stdin=CATALOG.format(port=port).encode()).status == 0
        assert operator("serve").errors == (
            f"novaproxy: Port {port} of 127.0.0.1, one of the catalog's protocols, is in use: end what uses it, "
            "another shop perhaps, or name another port in the catalog. "
            "(NOVAPROXY_GATEWAY=off lets 'serve' take orders alone.)\n"
        )
