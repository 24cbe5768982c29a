"""Which requests a staff member looks at: read from the address, and written into it, so that it can be kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from core.labels import Category, Status, Urgency
from web.wording import N_


class View(StrEnum):
    """What a queue holds before it is narrowed down."""

    ATTENTION = "attention"
    ALL = "all"


FILTER_NAMES: Mapping[str, str] = {
    "view": N_("View"),
    "status": N_("Status"),
    "category": N_("Category"),
    "urgency": N_("Urgency"),
    "building_id": N_("Building"),
    "cursor": N_("Page"),
}
"""Every filter by its name in the address, in words."""

Label = TypeVar("Label", bound=StrEnum)


@dataclass(frozen=True)
class Filters:
    """A staff member's view of the queue; None leaves a field open."""

    view: View = View.ATTENTION
    status: Status | None = None
    category: Category | None = None
    urgency: Urgency | None = None
    building_id: str | None = None
    cursor: str | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether more than the view itself is chosen."""
        return replace(self, view=View.ATTENTION, cursor=None) != Filters()

    @property
    def of_list(self) -> dict[str, Any]:
        """The parameters of `GET /requests`; those of an export are the same but for the cursor."""
        return {
            "needs_attention": "true" if self.view is View.ATTENTION else None,
            "status": self.status,
            "category": self.category,
            "urgency": self.urgency,
            "building_id": self.building_id,
            "cursor": self.cursor,
        }

    @property
    def address(self) -> str:
        """The query of an address that shows the same again, without a question mark; empty for the plain queue."""
        given = {name: getattr(self, name) for name in FILTER_NAMES}
        return urlencode({n: v for n, v in given.items() if v is not None and (n, v) != ("view", View.ATTENTION)})

    @property
    def of_export(self) -> str:
        """The query of `GET /requests/export`."""
        return urlencode({n: v for n, v in self.of_list.items() if v is not None and n != "cursor"})

    @property
    def first_page(self) -> "Filters":
        """The same from its beginning."""
        return replace(self, cursor=None)

    def seen_as(self, view: str) -> "Filters":
        """The same from its beginning in another view."""
        return replace(self.first_page, view=View(view))

    def without(self, names: Iterable[str]) -> "Filters":
        """Without these filters."""
        return replace(self, **{name: getattr(Filters(), name) for name in names})


def read_filters(query: Mapping[str, str]) -> tuple[Filters, tuple[str, ...]]:
    """The filters of an address, and the names of those that say nothing that there is, which are left open."""
    wrong: list[str] = []

    def label(name: str, labels: type[Label]) -> Label | None:
        text = query.get(name, "").strip()
        if not text:
            return None
        try:
            return labels(text)
        except ValueError:
            wrong.append(name)
            return None

    filters = Filters(
        view=label("view", View) or View.ATTENTION,
        status=label("status", Status),
        category=label("category", Category),
        urgency=label("urgency", Urgency),
        building_id=query.get("building_id", "").strip() or None,
        cursor=query.get("cursor", "").strip() or None,
    )
    return filters, tuple(wrong)
