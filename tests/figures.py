"""The figures of ``/metrics``, as Prometheus' own parser reads them."""

from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

Figures = Callable[..., float | None]


def figures(address: str, **headers: str) -> Figures:
    """Read ``/metrics`` and return a question such as ``told("orders_placed_total", plan="mobile")``."""
    answer = httpx.get(f"{address}/metrics", headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def parsed(text: str) -> Figures:
    """Return the question to the figures in *text*."""
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def told(name: str, **labels: str) -> float | None:
        return samples.get((f"novaproxy_{name}", frozenset(labels.items())))

    return told


def series(address: str) -> set[str]:
    """Return the names and labels of all that ``/metrics`` tells."""
    text = httpx.get(f"{address}/metrics", timeout=10).text
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
