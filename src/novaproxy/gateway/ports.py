"""Where the gateway listens: the ports that the catalog's ``protocols`` name."""

from novaproxy.catalog.model import Catalog, Delivery
from novaproxy.gateway.model import Entrance

_ENTRANCES = {str(entrance): entrance for entrance in Entrance}


def served_ports(catalog: Catalog) -> dict[int, frozenset[Entrance]]:
    """Return each port with the protocols that are spoken there.

    Plans that are sold no more are served on: what was bought still runs. Codes other than ``http`` and ``socks5``, and
    plans that the operator delivers by hand, are somebody else's business.
    """
    served: dict[int, set[Entrance]] = {}
    for plan in catalog.plans:
        if plan.delivery is not Delivery.GATEWAY:
            continue
        for protocol in plan.protocols:
            if (entrance := _ENTRANCES.get(protocol.code)) is not None:
                served.setdefault(protocol.port, set()).add(entrance)
    return {port: frozenset(entrances) for port, entrances in sorted(served.items())}
