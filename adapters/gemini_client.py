"""One structured question to Gemini: within a deadline, a budget and a circuit, with retries where they may help."""

import asyncio
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import aiohttp
from google import genai
from google.genai import errors, types
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from adapters.circuit import Circuit, CircuitOpen
from adapters.spending import Budget, BudgetReservation, Usage
from core import tracing
from core.errors import LanguageModelFailure, LanguageModelUnavailable
from core.metrics import (
    LANGUAGE_MODEL_CALLS,
    LANGUAGE_MODEL_COST,
    LANGUAGE_MODEL_SECONDS,
    LANGUAGE_MODEL_TOKENS,
    UNMETERED,
    Meter,
    timed,
)

API_VERSION = "v1beta"
"""Of the REST protocol; the one that has schemas of answers and levels of thinking."""
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
_BYTES_PER_TOKEN = 2
"""Fewer than any text of a resident has, so that the estimate is an upper bound."""
_FRAME_TOKENS = 64
"""What a request has besides its texts."""
_FINISHED = types.FinishReason.STOP
_BROKEN_OFF = frozenset({"MAX_TOKENS", "MALFORMED_RESPONSE", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"})
_WORD = re.compile(r"[A-Z_]{1,40}")
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s")


@dataclass(frozen=True)
class StructuredQuestion:
    """What is asked, and the form that the answer must have."""

    instruction: str
    content: str
    """The data that it is about; nothing in it is an instruction."""
    schema: Mapping[str, Any]
    """JSON schema of the answer."""
    output_tokens: int
    """At most so many are paid for."""
    purpose: Literal["classify", "answer", "propose"]

    def most_usage(self) -> Usage:
        """An upper bound of what one call uses."""
        texts = (self.instruction, self.content, json.dumps(self.schema))
        return Usage(sum(map(token_bound, texts)) + _FRAME_TOKENS, self.output_tokens)


class _Transient(Exception):
    """A try that failed in a way that another try may mend. `wait_s`: not before then, as the service says."""

    def __init__(self, detail: str, wait_s: float = 0.0) -> None:
        super().__init__(detail, wait_s)
        self.detail, self.wait_s = detail, wait_s


class GeminiClient:
    """Asks a Gemini model. Neither texts nor keys are in what it raises, and it logs nothing."""

    def __init__(
        self,
        api_key: str,
        model: str,
        budget: Budget,
        circuit: Circuit,
        *,
        attempts: int,
        base_url: str | None = None,
        meter: Meter = UNMETERED,
    ) -> None:
        self.model = model
        self._meter = meter
        self._budget, self._circuit, self._attempts = budget, circuit, attempts
        # No timeout of the library's: it would be sent along, and the service refuses one of less than ten seconds.
        # One attempt switches off its own retries, which pause for up to ten seconds, whatever the deadline.
        once = types.HttpRetryOptions(attempts=1)
        options = types.HttpOptions(base_url=base_url, api_version=API_VERSION, retry_options=once)
        self._client = genai.Client(api_key=api_key, vertexai=False, http_options=options)

    async def ask(self, question: StructuredQuestion, deadline_s: float) -> str:
        """The answer's JSON text, unchecked. Raises `LanguageModelUnavailable`, in `deadline_s` at the latest."""
        outcome: LanguageModelFailure | Literal["answered"] = "failed"
        try:
            with timed(self._meter, LANGUAGE_MODEL_SECONDS, model=self.model, purpose=question.purpose):
                answer = await self._ask_in_time(question, deadline_s)
            outcome = "answered"
            return answer
        except LanguageModelUnavailable as problem:
            outcome = problem.reason
            raise
        finally:
            self._meter.add(LANGUAGE_MODEL_CALLS, model=self.model, purpose=question.purpose, outcome=outcome)

    async def _ask_in_time(self, question: StructuredQuestion, deadline_s: float) -> str:
        try:
            async with asyncio.timeout(deadline_s):
                return await self._ask_until(question, deadline_s)
        except TimeoutError:
            failure = LanguageModelUnavailable(f"The language model took longer than {deadline_s:g} s.", "timed_out")
        except _Transient as problem:
            failure = LanguageModelUnavailable(problem.detail)
        raise failure

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aio.aclose()
        self._client.close()

    async def _ask_until(self, question: StructuredQuestion, deadline_s: float) -> str:
        tries = AsyncRetrying(
            stop=stop_after_attempt(self._attempts) | stop_before_delay(deadline_s),
            wait=_pause,
            retry=retry_if_exception_type(_Transient),
            reraise=True,
        )
        return await tries(self._try_once, question)

    async def _try_once(self, question: StructuredQuestion) -> str:
        most = question.most_usage()
        reserved = await self._reserve(most)
        try:
            async with self._circuit.call():
                response = await self._call_traced(question)
        except CircuitOpen:
            self._budget.settle(reserved, Usage(0, 0))
            failure = LanguageModelUnavailable("The language model failed too often of late.", "circuit_open")
        except errors.APIError as problem:
            # An error is not charged for; of a call that was broken off, nobody knows, so its reservation stays spent.
            self._budget.settle(reserved, Usage(0, 0))
            failure = _translate(problem)
        except (aiohttp.ClientError, OSError) as problem:
            failure = _Transient(f"The language model could not be reached ({type(problem).__name__}).")
        except ValueError as problem:
            failure = LanguageModelUnavailable(f"What came back is no answer ({type(problem).__name__}).", "invalid")
        else:
            used = _usage(response, most)
            self._budget.settle(reserved, used)
            self._count(used)
            return _text(response)
        raise failure

    def _count(self, used: Usage) -> None:
        """What is known to have been used; calls that were broken off tell nothing."""
        self._meter.add(LANGUAGE_MODEL_TOKENS, used.input_tokens, model=self.model, direction="read")
        self._meter.add(LANGUAGE_MODEL_TOKENS, used.output_tokens, model=self.model, direction="written")
        self._meter.add(LANGUAGE_MODEL_COST, self._budget.usd(used), model=self.model)

    async def _reserve(self, most: Usage) -> BudgetReservation:
        try:
            reserved = await self._budget.reserve(most)
        except Exception as problem:
            # The store of the shared budget is down: money that can't be counted is not spent.
            kind = type(problem).__name__
            raise LanguageModelUnavailable(f"The language model's budget can't be read ({kind}).") from None
        if reserved is None:
            raise LanguageModelUnavailable("The language model's budget for the hour is spent.", "over_budget")
        return reserved

    async def _call_traced(self, question: StructuredQuestion) -> types.GenerateContentResponse:
        with tracing.span(f"generate_content {self.model}", kind="client", attributes=self._told(question)) as span:
            response = await self._call(question)
            span.set(_told_of_answer(response))
            return response

    def _told(self, question: StructuredQuestion) -> dict[str, tracing.Value]:
        return {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.provider.name": "gcp.gemini",
            "gen_ai.request.model": self.model,
            "gen_ai.request.max_tokens": question.output_tokens,
        }

    async def _call(self, question: StructuredQuestion) -> types.GenerateContentResponse:
        return await self._client.aio.models.generate_content(
            model=self.model,
            contents=question.content,
            config=types.GenerateContentConfig(
                system_instruction=question.instruction,
                temperature=0.0,
                max_output_tokens=question.output_tokens,
                response_mime_type="application/json",
                response_json_schema=dict(question.schema),
                thinking_config=least_thinking(self.model),
                automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            ),
        )


def token_bound(text: str) -> int:
    """At least as many tokens as the text has."""
    return math.ceil(len(text.encode()) / _BYTES_PER_TOKEN)


def least_thinking(model: str) -> types.ThinkingConfig:
    """As little thinking as the model allows: none up to 2.5, and the level `minimal` from 3 on."""
    if model.startswith(("gemini-1", "gemini-2")):
        return types.ThinkingConfig(thinking_budget=0)
    return types.ThinkingConfig(thinking_level=types.ThinkingLevel.MINIMAL)


_backoff: Callable[[RetryCallState], float] = wait_random_exponential(multiplier=FIRST_PAUSE_S, max=LONGEST_PAUSE_S)


def _pause(state: RetryCallState) -> float:
    """Seconds before the next try: random, under a bound that doubles, and on top of what the service asks for."""
    problem = state.outcome.exception() if state.outcome else None
    asked = problem.wait_s if isinstance(problem, _Transient) else 0.0
    return asked + _backoff(state)


def _translate(problem: errors.APIError) -> Exception:
    """The vendor's error without its words, which may repeat what was sent."""
    word = problem.status if isinstance(problem.status, str) and _WORD.fullmatch(problem.status) else "no status"
    detail = f"The language model answered {int(problem.code)} ({word})."
    if problem.code in RETRIED_STATUSES:
        return _Transient(detail, _asked_wait(cast(object, problem.details)))  # pyright: ignore[reportUnknownMemberType] untyped JSON
    return LanguageModelUnavailable(detail)


def _asked_wait(details: object) -> float:
    """Seconds that `google.rpc.RetryInfo` asks for; 0 where there is none."""
    for part in _list(_member(_member(details, "error"), "details")):
        delay = _member(part, "retryDelay")
        if isinstance(delay, str) and (seconds := _SECONDS.fullmatch(delay)):
            return float(seconds[1])
    return 0.0


def _member(value: object, name: str) -> object:
    return cast(dict[str, object], value).get(name) if isinstance(value, dict) else None


def _list(value: object) -> list[object]:
    return cast(list[object], value) if isinstance(value, list) else []


def _told_of_answer(response: types.GenerateContentResponse) -> dict[str, tracing.Value]:
    """Numbers, and why it ended: no word of the answer."""
    said, candidate = response.usage_metadata, next(iter(response.candidates or ()), None)
    told: dict[str, tracing.Value] = {}
    if said is not None and said.prompt_token_count:
        told["gen_ai.usage.input_tokens"] = said.prompt_token_count
        told["gen_ai.usage.output_tokens"] = (said.candidates_token_count or 0) + (said.thoughts_token_count or 0)
    reason = candidate.finish_reason.value if candidate is not None and candidate.finish_reason else ""
    if _WORD.fullmatch(reason):
        told["gen_ai.response.finish_reasons"] = reason
    return told


def _usage(response: types.GenerateContentResponse, most: Usage) -> Usage:
    """What the service says was used; where it says nothing that can be, all that was reserved."""
    said = response.usage_metadata
    if said is None or not said.prompt_token_count or said.prompt_token_count < 0:
        return most
    output = (said.candidates_token_count or 0) + (said.thoughts_token_count or 0)
    return Usage(said.prompt_token_count, output) if output >= 0 else most


def _text(response: types.GenerateContentResponse) -> str:
    """The first candidate's text, where it was finished and not refused."""
    candidate = next(iter(response.candidates or ()), None)
    if candidate is None:
        refused = response.prompt_feedback is not None and response.prompt_feedback.block_reason is not None
        raise LanguageModelUnavailable("The language model gave no answer.", "refused" if refused else "invalid")
    if candidate.finish_reason is not _FINISHED:
        reason = candidate.finish_reason.value if candidate.finish_reason else "no reason"
        word = reason if _WORD.fullmatch(reason) else "unknown"
        broken_off = word in _BROKEN_OFF or candidate.finish_reason is None
        raise LanguageModelUnavailable(f"The answer was broken off ({word}).", "invalid" if broken_off else "refused")
    parts = (candidate.content.parts if candidate.content else None) or ()
    return "".join(part.text for part in parts if part.text and not part.thought)
