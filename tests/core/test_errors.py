"""Errors keep their type and their words between processes."""

import pickle

import pytest

from core import errors
from core.errors import AppError, IllegalTransition, Rejected, Unavailable


def every_error() -> list[type[AppError]]:
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, AppError)]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling(kind: type[AppError]) -> None:
    error = kind("Submitted", "Closed", ("Processing",)) if kind is IllegalTransition else kind("what went wrong")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.detail, copy.code, copy.status) == (error.detail, error.code, error.status)
    assert copy.members() == error.members()


def test_a_rejection_is_a_4xx_and_an_outage_a_503() -> None:
    for kind in every_error():
        if issubclass(kind, Rejected):
            assert 400 <= kind.status < 500
        if issubclass(kind, Unavailable):
            assert kind.status == 503
            assert kind.retry_after_s > 0


def test_codes_are_told_apart() -> None:
    codes = [kind.code for kind in every_error()]
    assert len(set(codes)) == len(codes)


def test_why_the_language_model_gave_nothing_is_kept() -> None:
    copy = pickle.loads(pickle.dumps(errors.LanguageModelUnavailable("It is too slow.", "timed_out")))
    assert (copy.detail, copy.reason) == ("It is too slow.", "timed_out")
