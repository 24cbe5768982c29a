"""What another service's failure looks like here: its own error as it was raised, or an outage."""

import asyncio
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from core.errors import AppError, Invalid, ServiceUnavailable
from deployments.request_management.handles import ask


async def raising(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        ActorDiedError(),
        BackPressureError(num_queued_requests=9, max_queued_requests=8),
        DeploymentUnavailableError.__new__(DeploymentUnavailableError),
        ConnectionError("refused"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_dead_or_full_service_is_an_outage(error: Exception) -> None:
    with pytest.raises(ServiceUnavailable) as caught:
        await ask(raising(error), 1.0)
    assert caught.value.status == 503


async def test_a_service_that_hangs_is_an_outage() -> None:
    with pytest.raises(ServiceUnavailable):
        await ask(asyncio.sleep(10), 0.01)


async def test_an_error_of_the_service_keeps_its_type_and_words() -> None:
    remote = RayTaskError("decide", "Traceback ... replica#abc", Invalid("The weights sum to 2.")).as_instanceof_cause()
    for error in (Invalid("The weights sum to 2."), remote):
        with pytest.raises(AppError) as caught:
            await ask(raising(error), 1.0)
        assert type(caught.value) is Invalid
        assert caught.value.detail == "The weights sum to 2."


async def test_a_bug_of_the_service_is_not_taken_for_an_outage() -> None:
    with pytest.raises(ZeroDivisionError):
        await ask(raising(ZeroDivisionError()), 1.0)
