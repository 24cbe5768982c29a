"""Handles that are no Ray handles: a service in the same process, or behind HTTP, called in the same words."""

import inspect
import pickle
from typing import Any

import aiohttp

from core.call_tracing import ARGUMENT
from core.errors import ServiceUnavailable


class LocalHandle:
    """`handle.method.remote(...)` as a plain call in this process."""

    def __init__(self, service: object) -> None:
        self._service = service

    def __getattr__(self, method: str) -> "_LocalMethod":
        return _LocalMethod(getattr(self._service, method))


class _LocalMethod:
    def __init__(self, method: Any) -> None:
        self._method = method

    async def remote(self, *args: Any, **kwargs: Any) -> Any:
        # In the same process, the caller's span is at hand.
        kwargs.pop(ARGUMENT, None)
        result = self._method(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result


class HttpHandle:
    """`handle.method.remote(...)` as a POST to another process; arguments and results are pickled, as Ray does."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url

    def __getattr__(self, method: str) -> "_HttpMethod":
        return _HttpMethod(self._session, f"{self._base_url}/call/{method}")


class _HttpMethod:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def remote(self, *args: Any, **kwargs: Any) -> Any:
        try:
            async with self._session.post(self._url, data=pickle.dumps((args, kwargs))) as response:
                result = pickle.loads(await response.read())
        except aiohttp.ClientConnectionError as error:
            raise ServiceUnavailable(f"A service does not answer ({type(error).__name__}).") from None
        if isinstance(result, Exception):
            raise result
        return result
