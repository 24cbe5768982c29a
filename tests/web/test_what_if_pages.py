"""What-if pages: the question as a form, a run that is followed, and its answer in words and a picture."""

import asyncio
import html as markup
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.what_if import RunStatus, Scenario, WhatIfRun
from deployments.decision_simulation.deployment import DecisionSimulation
from tests.web.conftest import Person, hidden_fields
from web.language import words_in
from web.what_if_form import changes_of, normalised, question_of, typed_again
from web.what_if_result import amount, digits_of, judge, step, translated_chart

FORM = "/staff/what-if"
SCRIPT = '"><script>alert(1)</script>'
ENGLISH = words_in("en", "America/New_York")


def fields_of(html: str) -> dict[str, str]:
    """What a browser without script would send of the question's form."""
    found = re.search(r'<form method="post" action="/staff/what-if".*?</form>', html, re.DOTALL)
    assert found
    sent: dict[str, str] = {"source": "backlog", "vendor": "", "heir": ""}
    for tag in re.findall(r"<input[^>]*>", found.group(0)):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and 'type="radio"' not in tag:
            sent[name.group(1)] = markup.unescape(value.group(1)) if value else ""
    return sent


async def started(staff: Person, **changes: str) -> str:
    """The address of a run that was asked for with these fields."""
    html = await staff.page(FORM)
    fields = fields_of(html) | {"source": "synthetic", "synthetic_days": "3", "replications": "10"} | changes
    answer = await staff.post(FORM, data=fields)
    assert answer.history, answer.text[:3000]
    assert answer.history[0].status_code == 303
    return answer.url.path


async def ended(staff: Person, address: str) -> str:
    for _ in range(600):
        html = await staff.page(address)
        if 'data-ended="yes"' in html:
            return html
        await asyncio.sleep(0.05)
    pytest.fail("it did not end")


async def test_the_form_shows_the_figures_of_the_rules_in_force(staff: Person, decision: DecisionSimulation) -> None:
    html = await staff.page(FORM)
    fields = fields_of(html)
    for one in decision.what_if_figures().figures:
        assert float(fields[one.path]) == one.present
    # Without script there are no sliders that do nothing.
    assert html.count('type="range"') == html.count("data-range hidden")
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "style=" not in html


async def test_a_question_is_asked_followed_and_answered(staff: Person) -> None:
    address = await started(staff, **{"crews.plumbing.technicians": "4", "weights.standard.cost": "0.5"})
    html = await ended(staff, address)
    assert "Technicians: Plumbing → 4" in html
    # 0.3, 0.25, 0.5, 0.15 and 0.1 are scaled to sum to 1.
    assert "Weight of Cost, usually → 0.3846" in html
    assert "<svg" in html
    assert "Missed resolution targets (share)" in html
    assert "Plumbing" in html
    assert "May be chance" in html or "beyond chance" in html
    assert 'http-equiv="refresh"' not in html
    part = await staff.page(f"{address}/part")
    assert "<html" not in part
    assert 'data-ended="yes"' in part
    assert address in await staff.page(FORM)


async def test_asking_again_begins_with_the_same_change(staff: Person) -> None:
    address = await started(staff, **{"crews.hvac.technicians": "5"})
    await ended(staff, address)
    html = await staff.page(f"{FORM}?again={address.rpartition('/')[2]}")
    assert fields_of(html)["crews.hvac.technicians"] == "5"
    assert (await staff.get(f"{FORM}?again=WIF_none")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"crews.plumbing.technicians": "many"}, "crews.plumbing.technicians is a number."),
        ({"crews.plumbing.technicians": "0"}, "greater than or equal to 1"),
        ({"crews.plumbing.technicians": "2.5"}, "valid integer"),
        ({"weights.standard.cost": "-1"}, "greater than or equal to 0"),
        ({"crews.plumbing.technicians": "nan"}, "is a number."),
        ({"replications": "5"}, "greater than or equal to 10"),
        ({"replications": "ten"}, "valid integer"),
        ({"source": "period"}, "time"),
        ({"source": "period", "begin": "2026-03-02", "end": "2026-03-01"}, "must end after it begins"),
        ({"source": "backlog"}, "no open request"),
        ({"vendor": "no-such-vendor"}, "There is no vendor no-such-vendor"),
        ({"crews.plumbing.technicians": SCRIPT}, "is a number."),
    ],
)
async def test_what_is_refused_is_told_with_everything_kept(staff: Person, changes: dict[str, str], told: str) -> None:
    first = await staff.page(FORM)
    fields = fields_of(first) | {"source": "synthetic", "crews.hvac.technicians": "5"} | changes
    answer = await staff.post(FORM, data=fields)
    assert answer.status_code == 422
    assert told in markup.unescape(answer.text)
    assert SCRIPT not in answer.text
    again = fields_of(answer.text)
    kept = {name: value for name, value in changes.items() if name not in ("source", "vendor")}
    assert {name: again[name] for name in (*kept, "crews.hvac.technicians")} == {
        name: fields[name] for name in (*kept, "crews.hvac.technicians")
    }
    assert f'value="{fields["source"]}" checked' in answer.text
    assert again["idempotency_key"] != fields["idempotency_key"]


async def test_a_running_one_is_followed_without_script_and_cancelled(staff: Person) -> None:
    address = await started(staff, replications="1000", synthetic_days="60")
    html = await staff.page(address)
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in html
    assert "<progress" in html
    answer = await staff.submit(html, f"{address}/cancel")
    assert "The run was cancelled." in answer.text
    assert 'data-ended="yes"' in answer.text


async def test_a_run_that_has_ended_meanwhile_is_not_cancelled(staff: Person) -> None:
    html = await staff.page(await started(staff, replications="1000", synthetic_days="60"))
    quick = await started(staff)
    address = re.findall(r'action="(/staff/what-if/[^"]+/cancel)"', html)[0]
    assert (await staff.submit(html, address)).status_code == 200
    await ended(staff, quick)
    late = await staff.post(f"{quick}/cancel", data=hidden_fields(html, address) | {"idempotency_key": "another"})
    assert late.status_code == 409
    assert "That was not done." in late.text
    assert "What would change" in late.text


async def test_residents_and_unknown_runs(resident: Person, staff: Person, sign_in: Callable[..., Any]) -> None:
    assert (await resident.get(FORM)).status_code == 403
    assert (await staff.get(f"{FORM}/WIF_none")).status_code == 404
    assert (await staff.get(f"{FORM}/WIF_none/part")).status_code == 404
    address = await started(staff)
    elsewhere = await sign_in("staff", "bea", buildings=["B"])
    assert (await elsewhere.get(address)).status_code == 404
    assert (await staff.post(FORM, data={"source": "synthetic"})).status_code == 403


async def test_a_failed_run_says_why(staff: Person, decision: DecisionSimulation, monkeypatch: Any) -> None:
    broken = WhatIfRun(
        run_id="WIF_1", status=RunStatus.FAILED, requested_by="sam", created_at="2026-03-02T12:00:00Z",  # type: ignore[arg-type]
        scenario=Scenario(), source="backlog", error="The run broke off; try it again.",
    )  # fmt: skip

    async def found(_: str) -> WhatIfRun:
        return broken

    monkeypatch.setattr(decision, "what_if", found)
    html = await staff.page(f"{FORM}/WIF_1")
    assert "The run broke off; try it again." in html
    assert "Nothing is changed" in html


weights = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.floats(0, 1e6), min_size=2, max_size=6)


@given(weights)
def test_weights_are_scaled_to_sum_to_one(typed: dict[str, float]) -> None:
    found = normalised({name: str(value) for name, value in typed.items()})
    if sum(typed.values()) == 0:
        assert found == typed
        return
    assert abs(sum(float(value) for value in found.values()) - 1) < 1e-9
    for name, value in typed.items():
        assert float(found[name]) >= 0
        assert float(found[name]) == pytest.approx(value / sum(typed.values()), abs=1e-3)


def figure(path: str, present: float, kind: str, subject: str, situation: str | None = None) -> dict[str, Any]:
    return {"path": path, "present": present, "kind": kind, "subject": subject, "situation": situation}


def test_what_was_left_alone_is_not_asked_for() -> None:
    figures: dict[str, Any] = {
        "vendors": [{"vendor_id": "glazier", "name": "ClearView"}, {"vendor_id": "other", "name": "Other"}],
        "figures": [
            figure("crews.hvac.technicians", 2.0, "technicians", "hvac"),
            figure("weights.standard.cost", 0.4, "weight", "cost", situation="standard"),
            figure("weights.standard.time", 0.6, "weight", "time", situation="standard"),
        ],
    }
    typed = {
        "crews.hvac.technicians": "2",
        "weights.standard.cost": "0.40",
        "weights.standard.time": "",
        **{"vendor": "glazier", "heir": "other", "replications": "100", "seed": "7"},
        **{"source": "period", "begin": "2026-03-07", "end": "2026-03-08"},
    }
    asked = question_of(typed, figures, ENGLISH.zone)
    assert asked["changes"] == {"figures": {}, "replace_vendors": {"glazier": "other"}}
    # The clock goes forward on the second of the two days.
    assert asked["period"] == {"from": "2026-03-07T05:00:00.000Z", "to": "2026-03-09T04:00:00.000Z"}
    assert (asked["replications"], asked["seed"]) == (100, 7)
    changed = question_of(typed | {"weights.standard.time": "0.4", "heir": ""}, figures, ENGLISH.zone)["changes"]
    assert changed == {
        "figures": {"weights.standard.cost": 0.5, "weights.standard.time": 0.5},
        "remove_vendors": ["glazier"],
    }
    scenario: dict[str, Any] = {"add_vendors": [], "remove_vendors": [], "replace_vendors": {}, **changed}
    assert changes_of(scenario, figures, ENGLISH)[0] == "Weight of Cost, usually → 0.5"
    assert "ClearView goes" in changes_of(scenario, figures, ENGLISH)
    assert typed_again({"scenario": scenario, "source": "period"})["vendor"] == "glazier"


@pytest.mark.parametrize(
    ("name", "low", "high", "tone"),
    [
        ("sla_breach_share", -0.2, -0.1, "good"),
        ("sla_breach_share", 0.1, 0.2, "danger"),
        ("satisfaction_impact", 0.1, 0.2, "good"),
        ("satisfaction_impact", -0.2, -0.1, "danger"),
        ("utilisation", -0.2, -0.1, "info"),
        ("hours_to_done", -0.1, 0.2, ""),
        ("hours_to_done", 0.0, 0.0, ""),
    ],
)
def test_a_difference_is_judged_by_its_interval(name: str, low: float, high: float, tone: str) -> None:
    assert judge(name, {"low": low, "high": high})[0] == tone


def test_figures_are_written_in_their_units() -> None:
    assert amount(0.1234, "share", ENGLISH) == "12.3%"
    assert step(-0.0123, "share", ENGLISH) == "-1.2 points"
    assert step(1234.5, "USD", ENGLISH) == "+$1,234.50"
    assert step(-2.25, "hours", ENGLISH) == "-2.2"
    assert amount(0.5, "-1 to 1", ENGLISH) == "0.500"
    # What rounds to nothing has no sign.
    assert (step(-0.0003, "share", ENGLISH), step(0.0, "hours", ENGLISH)) == ("0 points", "0")
    assert (step(-0.001, "USD", ENGLISH), step(-3, "USD", ENGLISH)) == ("$0", "-$3.00")


def test_the_picture_leaves_out_crews_for_which_nothing_changes() -> None:
    def row(figure: str, resource: str, low: float) -> dict[str, Any]:
        return {"figure": figure, "resource": resource, "difference": low, "low": low, "high": low}

    values = [
        row("Hours until done", "all", 0),
        row("Utilisation (share)", "hvac", 0),
        row("Hours until taken on", "vendor:x", 1),
    ]
    titles = ["Hours until done", "Hours until taken on", "Utilisation (share)"]
    chart = translated_chart({"data": {"values": values}, "facet": {"sort": titles}}, {"x": "Xavier"}, ENGLISH)
    assert [one["resource"] for one in chart["data"]["values"]] == ["all", "Xavier"]
    assert chart["facet"]["sort"] == ["Hours until done", "Hours until taken on"]


def bounds(low: float, high: float) -> dict[str, float]:
    return {"low": low, "mean": (low + high) / 2, "high": high}


@pytest.mark.parametrize(
    ("unit", "low", "high", "shown"),
    [
        ("hours", 0.004, 0.02, ("+0.004", "+0.012", "+0.020")),
        ("hours", -30.0, -10.0, ("-30.0", "-20.0", "-10.0")),
        ("share", -0.0009, -0.0001, ("-0.090 points", "-0.050 points", "-0.010 points")),
        ("USD", 0.001, 0.003, ("+$0.0010", "+$0.0020", "+$0.0030")),
        ("hours", -0.0021, 0.0025, ("-0.0021", "+0.0002", "+0.0025")),
    ],
)
def test_figures_have_the_digits_that_bear_the_words_out(
    unit: str, low: float, high: float, shown: tuple[str, str, str]
) -> None:
    difference = bounds(low, high)
    digits = digits_of(difference, unit)
    assert tuple(step(difference[name], unit, ENGLISH, digits) for name in ("low", "mean", "high")) == shown


@given(
    st.sampled_from(["hours", "share", "USD", "-1 to 1", "requests"]),
    st.floats(-1e4, 1e4).filter(lambda x: abs(x) > 1e-6),
    st.floats(0, 1e4),
)
def test_what_is_beyond_chance_is_never_shown_as_nothing(unit: str, low: float, width: float) -> None:
    difference = bounds(low, low + width)
    digits = digits_of(difference, unit)
    shown = [step(difference[name], unit, ENGLISH, digits) for name in ("low", "mean", "high")]
    is_beyond = "beyond" in judge("hours_to_done", difference)[1]
    nothing = [text.startswith(("0", "$0")) for text in shown]
    if is_beyond:
        assert not any(nothing)
        assert len({text[0] for text in shown}) == 1
    elif low + width > 1e-6:
        assert shown[0].startswith(("-", "0", "$0"))
        assert shown[2].startswith(("+", "0", "$0"))


def test_what_sums_of_floats_leave_is_the_same() -> None:
    assert judge("hours_to_done", bounds(1e-16, 3e-16)) == ("", "The same")
    assert digits_of(bounds(1e-16, 3e-16), "hours") == 1
