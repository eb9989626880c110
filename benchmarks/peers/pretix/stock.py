"""Fills an empty pretix: an organizer, an event, something to sell without end, and an API token.

Run by the Python of .venv-pretix, with PRETIX_CONFIG_FILE; prints as JSON where and how orders are placed.
"""

import json
from datetime import timedelta
from decimal import Decimal

import django

BANK_TRANSFER = "pretix.plugins.banktransfer"


def stocked() -> dict[str, str | int]:
    """Make what is sold, and return the path of its orders, a token and the number of the ticket."""
    # pretix's models are there only after its set-up.
    from django.utils.timezone import now  # noqa: PLC0415
    from pretix.base.models import Event, Organizer, Team  # noqa: PLC0415

    organizer = Organizer.objects.create(name="Bench", slug="bench", plugins=BANK_TRANSFER)
    event = Event.objects.create(
        organizer=organizer,
        name="Bench",
        slug="bench",
        currency="USD",
        date_from=now() + timedelta(days=365),
        plugins=BANK_TRANSFER,
        live=True,
    )
    event.settings.set("payment_banktransfer__enabled", value=True)
    item = event.items.create(name="Residential, 2 GB", default_price=Decimal("10.00"))
    quota = event.quotas.create(name="Endless", size=None)
    quota.items.add(item)
    team = Team.objects.create(organizer=organizer, name="Bench", all_events=True, all_event_permissions=True)
    token = team.tokens.create(name="bench")
    return {"path": "/api/v1/organizers/bench/events/bench/orders/", "token": token.token, "item": item.pk}


if __name__ == "__main__":
    django.setup()
    from django_scopes import scopes_disabled

    with scopes_disabled():
        print(json.dumps(stocked()))
