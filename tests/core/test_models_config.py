"""The configuration of the models: what it takes, and what it does not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import ArtefactRefused
from core.models_config import COHORTS, Canary, ModelsConfig, Source


@pytest.mark.parametrize(
    ("text", "location", "version", "s3"),
    [
        ("text", "text", None, None),
        ("candidates/text-2#0123456789ab", "candidates/text-2", "0123456789ab", None),
        ("/srv/models/text", "/srv/models/text", None, None),
        ("s3://models/text/v2", "s3://models/text/v2", None, ("models", "text/v2")),
        ("s3://models.acme/text/#0123456789ab", "s3://models.acme/text/", "0123456789ab", ("models.acme", "text")),
    ],
)
def test_places_are_read(text: str, location: str, version: str | None, s3: tuple[str, str] | None) -> None:
    source = Source.parse(text)
    assert (source.location, source.version, source.s3, str(source)) == (location, version, s3, text)


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "../text", "text/../../etc", "/", "//a", "/srv/../etc", "s3://", "s3://models", "s3://models/",
        "s3://Models/text", "s3://models/../text", "http://models/text", "text#", "text#latest", "text#0123456789AB",
        "text\n", "te xt", ".hidden",
    ],
)  # fmt: skip
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ArtefactRefused):
        Source.parse(text)
    with pytest.raises(ValidationError):
        ModelsConfig(text=text)


@pytest.mark.parametrize(
    "wanted",
    [
        {"txt": "text"},
        {"shadow": {}},
        {"shadow": {"text": "a", "percent": 5}},
        {"canary": {"percent": 5}},
        {"canary": {"text": "a"}},
        {"canary": {"text": "a", "percent": 101}},
        {"canary": {"text": "a", "percent": -1}},
        {"canary": {"text": "a", "percent": math.nan}},
        {"text": None},
        {"text": 3},
    ],
)
def test_what_is_unknown_or_empty_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ModelsConfig.model_validate(wanted)


def test_what_an_alternative_does_not_name_is_as_it_serves() -> None:
    config = ModelsConfig.model_validate({"text": "a", "risk": "b", "canary": {"risk": "c", "percent": 5}})
    assert str(config.source("text", config.canary)) == "a"
    assert str(config.source("risk", config.canary)) == "c"
    assert str(config.source("risk")) == "b"
    assert config.serving_alone() == ModelsConfig(text="a", risk="b")


@given(st.integers(0, COHORTS))
def test_every_hundredth_of_a_percent_is_one_cohort(cohorts: int) -> None:
    assert Canary(text="a", percent=cohorts / 100).cohorts == cohorts
