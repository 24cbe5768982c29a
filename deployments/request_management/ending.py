"""How a request's work ends: its resolution, and what it really cost in all."""

from core.labels import Status
from core.record import RequestRecord
from core.request import ResolutionNote
from deployments.request_management.change import Draft


def end_work(draft: Draft, notes: str, actual_cost_usd: float | None = None, actual_hours: float | None = None) -> None:
    """Resolve the request. `actual_cost_usd` is the job's own; the resolution tells the request's whole cost."""
    if actual_cost_usd is not None:
        note_cost(draft, _unreported_job(draft.record) or f"version-{draft.record.request.version}", actual_cost_usd)
    note = ResolutionNote(
        resolution_notes=notes,
        actual_cost_usd=total_cost_usd(draft),
        actual_hours=actual_hours,
        resolved_by=draft.actor,
        resolved_at=draft.at,
    )
    draft.move(Status.RESOLVED, notes, actual_cost_usd=note.actual_cost_usd, actual_hours=actual_hours)
    draft.set(resolution=note, needs_attention=False)
    sla = draft.record.request.sla
    if sla is not None and draft.record.terms is None and draft.at > sla.resolution_due_at:
        # Without terms no clock is kept; the date is all there is.
        draft.set(sla=sla.model_copy(update={"breached": True}))


def note_cost(draft: Draft, key: str, usd: float, *, instead_of: str | None = None) -> None:
    """Keep what a job really cost, in place of what staff said of it before; the whole cost goes along."""
    costs: dict[str, float] = draft.record_fields.get("costs", draft.record.costs)
    rest = {known: cost for known, cost in costs.items() if known != instead_of}
    draft.record_fields["costs"] = {**rest, key: usd}
    resolution = draft.fields.get("resolution", draft.record.request.resolution)
    if resolution is not None:
        draft.set(resolution=resolution.model_copy(update={"actual_cost_usd": total_cost_usd(draft)}))


def total_cost_usd(draft: Draft) -> float | None:
    """What the request has cost in all, as it will be; None where nobody gave a figure."""
    costs: dict[str, float] = draft.record_fields.get("costs", draft.record.costs)
    return round(sum(costs.values()), 2) if costs else None


def _unreported_job(record: RequestRecord) -> str | None:
    """The selected option's job, where its own report is still out: a figure of the staff's is the same money."""
    execution = record.request.execution
    if execution is None or any(key.partition(":")[0] == execution.execution_id for key in record.costs):
        return None
    return execution.execution_id
