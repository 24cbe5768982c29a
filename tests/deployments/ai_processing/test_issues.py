"""Splitting a message into issues: conservative, verbatim and in order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.embedder_onnx import OnnxEmbedder
from core.labels import Category, Trade, Urgency
from core.request import Issue
from deployments.ai_processing.issues import find_issues, leading_issue, split_clauses
from deployments.ai_processing.text import TextModel


def issues_of(text: str, model: TextModel, embedder: OnnxEmbedder) -> tuple[Issue, ...]:
    clauses = split_clauses(text)
    texts = [clause.text for clause in clauses]
    return find_issues(clauses, model.predict(texts, embedder.embed(texts)))


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ("1. The kitchen tap drips. 2. You charged me the late fee twice.", ["Maintenance", "Billing"]),
        ("First, the radiator is cold. Second, my parcel was stolen from the locker.", ["Maintenance", "Deliveries"]),
        ("the dishwasher does not drain. also my mailbox key is lost", ["Maintenance", "Security"]),
        ("Two things: the treadmill in the gym is broken, and I never got my rent receipt.", ["Amenities", "Billing"]),
    ],
)
def test_a_list_or_an_addition_makes_several(
    text_model: TextModel, real_embedder: OnnxEmbedder, text: str, categories: list[str]
) -> None:
    found = issues_of(text, text_model, real_embedder)
    assert [issue.category for issue in found] == categories
    assert all(issue.text in text for issue in found)


@pytest.mark.parametrize(
    "text",
    [
        "no hot water",
        "The faucet drips. It has done so for days. I put a pot under it.",
        "I paid on the 1st, and the portal shows nothing.",
        "Thanks, and also have a good day!",
        "",
    ],
)
def test_one_matter_stays_one(text_model: TextModel, real_embedder: OnnxEmbedder, text: str) -> None:
    assert issues_of(text, text_model, real_embedder) == ()


@given(
    st.text(max_size=400)
    | st.lists(st.sampled_from(["1. ", "2) ", "also ", "\n", "and the ", "a) "])).map("x y z".join)
)
@settings(max_examples=200, deadline=None)
def test_clauses_are_verbatim_and_in_order(text: str) -> None:
    place = 0
    for clause in split_clauses(text):
        place = text.index(clause.text, place)
    points = [clause.point for clause in split_clauses(text)]
    assert points == sorted(points)
    assert len(set(points)) != 1


def test_the_lead_is_the_most_urgent_then_the_first() -> None:
    low = Issue(text="a", category=Category.BILLING, urgency=Urgency.LOW)
    high = Issue(text="b", category=Category.MAINTENANCE, urgency=Urgency.HIGH, trade=Trade.PEST)
    later = Issue(text="c", category=Category.SECURITY, urgency=Urgency.HIGH)
    assert leading_issue([low, high, later]) == high
    assert leading_issue([later, high]) == later
