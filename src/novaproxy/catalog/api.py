"""``GET /plans`` and ``GET /plans/{slug}`` (contract, section 2)."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Send

from novaproxy.catalog.refusals import PlanUnknown
from novaproxy.catalog.resource import Showcase
from novaproxy.catalog.store import Shelf
from novaproxy.database.pool import Pool, read
from novaproxy.http.answer import send_json


@dataclass(frozen=True, slots=True)
class PlanPages:
    """What the plan paths need."""

    pool: Pool
    shelf: Shelf

    async def index(self, _request: Request, send: Send) -> None:
        """``GET /plans``: every active plan, in catalog order."""
        showcase = await self._current()
        await send_json(send, 200, showcase.plans_json)

    async def show(self, request: Request, send: Send) -> None:
        """``GET /plans/{slug}``: one; unknown or inactive is 404."""
        showcase = await self._current()
        plan = showcase.listing.plan_by_slug.get(request.path_params["slug"])
        if plan is None or not plan.active:
            raise PlanUnknown
        await send_json(send, 200, bytes(showcase.plan_json[plan.id]))

    async def _current(self) -> Showcase:
        return await read(self.pool, self.shelf.current)
