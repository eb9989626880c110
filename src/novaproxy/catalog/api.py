"""``GET /plans`` and ``GET /plans/{slug}`` (contract, section 2)."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Send

from novaproxy.catalog.newest import Newest
from novaproxy.catalog.refusals import PlanUnknown


@dataclass(frozen=True, slots=True)
class PlanPages:
    """What the plan paths need."""

    newest: Newest

    async def index(self, request: Request, send: Send) -> None:
        """``GET /plans``: every active plan, in catalog order."""
        showcase = await self.newest.showcase()
        await showcase.plans_page.send(request.scope, send)

    async def show(self, request: Request, send: Send) -> None:
        """``GET /plans/{slug}``: one; unknown or inactive is 404."""
        showcase = await self.newest.showcase()
        page = showcase.plan_pages.get(request.path_params["slug"])
        if page is None:
            raise PlanUnknown
        await page.send(request.scope, send)
