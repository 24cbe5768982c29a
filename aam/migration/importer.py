"""Puts mapped items into the store; what is there already stays as it is, so that an import may be repeated."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from aam.migration.items import Item
from aam.migration.mapping import Mapped, map_item
from core.errors import Invalid
from core.ports.store import RequestStore
from core.rules import RuleBook

GROUP = 50
EXAMPLES = 20


@dataclass
class ImportReport:
    """What became of the items."""

    imported: int = 0
    already_there: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    """By reason."""
    refused_ids: list[str] = field(default_factory=list[str])
    """The first few."""
    unmapped: Counter[str] = field(default_factory=Counter[str])
    """`field: why`, of items that were imported without it."""
    statuses: Counter[str] = field(default_factory=Counter[str])

    def lines(self) -> list[str]:
        """The report for people."""
        total = self.imported + self.already_there + sum(self.refused.values())
        lines = [f"{total} items: {self.imported} imported, {self.already_there} there already"]
        lines += [f"  now {status}: {count}" for status, count in sorted(self.statuses.items())]
        lines += [f"  refused {count}: {reason}" for reason, count in self.refused.most_common()]
        lines += [f"    {identifier}" for identifier in self.refused_ids]
        lines += [f"  left out of {count}: {what}" for what, count in self.unmapped.most_common()]
        return lines


async def import_items(
    items: Iterable[Item], store: RequestStore, rules: RuleBook, now: datetime, *, dry_run: bool = False
) -> ImportReport:
    """Map and store every item; a dry run stores nothing."""
    report, rest = ImportReport(), iter(items)
    while group := list(islice(rest, GROUP)):
        mapped = [one for item in group if (one := _mapped(item, rules, now, report)) is not None]
        created = [True] * len(mapped)
        if not dry_run:
            created = await asyncio.gather(*(store.create(one.record, one.events) for one in mapped))
        for one, new in zip(mapped, created, strict=True):
            _count(one, new, report)
    return report


def _mapped(item: Item, rules: RuleBook, now: datetime, report: ImportReport) -> Mapped | None:
    try:
        return map_item(item, rules, now)
    except Invalid as error:
        report.refused[error.detail] += 1
        if len(report.refused_ids) < EXAMPLES:
            report.refused_ids.append(str(item.get("request_id", "without a request_id"))[:100])
        return None


def _count(mapped: Mapped, new: bool, report: ImportReport) -> None:
    if not new:
        report.already_there += 1
        return
    report.imported += 1
    report.statuses[mapped.record.request.status] += 1
    report.unmapped.update(mapped.unmapped)
