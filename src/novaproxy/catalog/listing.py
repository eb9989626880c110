"""One revision of the catalog as a process holds it: looked up by slug, by id and by code."""

from dataclasses import dataclass

from novaproxy.catalog.model import Catalog, DiscountCode, Plan


@dataclass(frozen=True, slots=True)
class Listing:
    """A revision; *code_by_key* is keyed by the code in lower case. Revision 0 is the empty shop before any catalog."""

    revision: int
    catalog: Catalog
    plan_by_slug: dict[str, Plan]
    plan_by_id: dict[int, Plan]
    code_by_key: dict[str, DiscountCode]
    code_by_id: dict[int, DiscountCode]

    @property
    def active_plans(self) -> tuple[Plan, ...]:
        """The plans that may be bought, in catalog order."""
        return tuple(plan for plan in self.catalog.plans if plan.active)


def listing(revision: int, catalog: Catalog) -> Listing:
    """Return *catalog* as the process holds it."""
    return Listing(
        revision=revision,
        catalog=catalog,
        plan_by_slug={plan.slug: plan for plan in catalog.plans},
        plan_by_id={plan.id: plan for plan in catalog.plans},
        code_by_key={code.code.lower(): code for code in catalog.discount_codes},
        code_by_id={code.id: code for code in catalog.discount_codes},
    )


EMPTY = listing(0, Catalog(currency=None))
