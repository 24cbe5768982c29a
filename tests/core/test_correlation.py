"""The correlation id follows the work, also into what outlives its caller, and stands on log lines."""

import asyncio
import logging

import pytest

from core.correlation import (
    CorrelationFilter,
    DiscreetFormatter,
    current_correlation,
    detached_context,
    set_correlation,
)


async def test_detached_work_keeps_the_id_and_nothing_else() -> None:
    async def read() -> str | None:
        return current_correlation()

    async def caller() -> str | None:
        set_correlation("call-1")
        return await asyncio.get_running_loop().create_task(read(), context=detached_context())

    assert await asyncio.create_task(caller()) == "call-1"
    assert current_correlation() is None
    assert len(list(detached_context())) == 0


async def test_a_log_record_names_its_call() -> None:
    record = logging.LogRecord("deployments", logging.INFO, __file__, 1, "x", (), None)
    CorrelationFilter().filter(record)
    assert record.__dict__["correlation_id"] == "-"

    async def caller() -> None:
        set_correlation("call-2")
        CorrelationFilter().filter(record)

    await asyncio.create_task(caller())
    assert record.__dict__["correlation_id"] == "call-2"


def test_a_logged_error_is_told_without_its_text() -> None:
    def fail() -> None:
        try:
            raise ValueError(said)
        except ValueError as error:
            raise KeyError(said) from error

    said = "somebody's words"

    with pytest.raises(KeyError) as caught:
        fail()
    told = DiscreetFormatter().formatException((caught.type, caught.value, caught.tb))
    assert "words" not in told
    assert told.index("builtins.ValueError") < told.index("led to") < told.index("builtins.KeyError")
    assert told.count("in fail") == 2
