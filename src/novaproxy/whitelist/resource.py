"""A listed address as JSON has it."""

from novaproxy.http.wire import stamp
from novaproxy.whitelist.model import ListedAddress


def shown_address(listed: ListedAddress) -> dict[str, str]:
    """Return a listed address as JSON has it."""
    return {"address": str(listed.address), "created_at": stamp(listed.created_at)}
