"""Which models serve: the `user_config` of AIProcessing, changed while it runs."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from core.contract import Contract
from core.errors import ArtefactRefused

COHORTS = 10_000
"""Residents are spread over so many cohorts; one of them is a hundredth of a percent."""

_VERSION = re.compile(r"[0-9a-f]{12}")
_SEGMENTS = r"[A-Za-z0-9_][A-Za-z0-9._=-]*(?:/[A-Za-z0-9_][A-Za-z0-9._=-]*)*"
_FOLDER = re.compile(_SEGMENTS)
_ABSOLUTE = re.compile(rf"/{_SEGMENTS}")
_S3 = re.compile(rf"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])/(?P<prefix>{_SEGMENTS})/?")

ModelName = Literal["text", "risk"]


@dataclass(frozen=True)
class Source:
    """Where an artefact lies, and the version that it must have."""

    location: str
    """A folder below the artefacts' folder, an absolute folder, or `s3://bucket/prefix`."""
    version: str | None = None
    """The version that its manifest must name; None takes what lies there."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `location` or `location#version`. Raises `ArtefactRefused`."""
        location, marked, version = text.partition("#")
        if marked and not _VERSION.fullmatch(version):
            raise ArtefactRefused(f"{text!r} does not name a version: 12 hexadecimal digits after the #.")
        if not any(form.fullmatch(location) for form in (_FOLDER, _ABSOLUTE, _S3)):
            raise ArtefactRefused(f"{text!r} is neither a folder nor s3://bucket/prefix.")
        return cls(location, version or None)

    @property
    def s3(self) -> tuple[str, str] | None:
        """Bucket and prefix, the latter without a slash at its end; None for a folder."""
        found = _S3.fullmatch(self.location)
        return (found["bucket"], found["prefix"]) if found else None

    def __str__(self) -> str:
        return f"{self.location}#{self.version}" if self.version else self.location


def _checked(text: str) -> str:
    try:
        Source.parse(text)
    except ArtefactRefused as problem:
        raise ValueError(problem.detail) from None
    return text


SourceText = Annotated[str, AfterValidator(_checked)]


class Alternative(Contract):
    """Models beside the serving ones; what is not named is as it serves."""

    text: SourceText | None = None
    risk: SourceText | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.text is None and self.risk is None:
            raise ValueError("name a text or a risk model")
        return self

    def source(self, name: ModelName) -> str | None:
        """The one named, if any."""
        return self.text if name == "text" else self.risk


class Canary(Alternative):
    """Models that answer a share of the residents."""

    percent: float = Field(ge=0.0, le=100.0, allow_inf_nan=False)

    @property
    def cohorts(self) -> int:
        """How many cohorts they answer: those numbered below this."""
        return round(self.percent * COHORTS / 100)


class ModelsConfig(Contract):
    """The serving models, and those that are tried beside them."""

    text: SourceText = "text"
    risk: SourceText = "risk"
    shadow: Alternative | None = None
    """Scores the same messages after the answer has gone out; only its agreement is seen."""
    canary: Canary | None = None

    def source(self, name: ModelName, alternative: Alternative | None = None) -> Source:
        """Where this model comes from, as the alternative has it or else as it serves."""
        own = self.text if name == "text" else self.risk
        return Source.parse((alternative.source(name) if alternative else None) or own)

    def serving_alone(self) -> "ModelsConfig":
        """Without a shadow or a canary."""
        return ModelsConfig(text=self.text, risk=self.risk)
