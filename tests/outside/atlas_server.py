"""Atlas CMMS's REST API, as far as work orders go: signing in, permissions, searching, completing, time and costs."""

import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from tests.outside.faults import Fault
from tests.outside.faulty_server import Call, FaultyServer, Reply

EMAIL, PASSWORD = "manager@example.com", "correct horse"
SIGNING_KEY = "a key of the test server alone, of 32 bytes or more"
LOCATIONS = {7}
MARK = re.compile(r"\[aam:([^\]]+)\]\s*$")
STATUSES = ("OPEN", "IN_PROGRESS", "ON_HOLD", "COMPLETE")


class AtlasServer(FaultyServer):
    """Counts in `effects` how often a work order was created with each key."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[int, dict[str, Any]] = {}
        self.labors: dict[int, list[dict[str, Any]]] = {}
        self.costs: dict[int, list[dict[str, Any]]] = {}
        self.parts: dict[int, list[dict[str, Any]]] = {}
        self.effects: Counter[str] = Counter()
        self.sign_ins = 0
        self.token_life_s = 3600.0
        self.refusal_of_tokens = Reply(403)
        """What an expired or unknown token is answered with."""
        self.may_create = self.may_delete = True
        self.hidden: frozenset[str] = frozenset()
        """Kinds of entries that the account must not see."""
        self.zone = timedelta(0)
        """The server's own offset from UTC; times in searches are read as its own."""
        self.spared: frozenset[str] = frozenset({"/auth/signin"})
        """Paths that meet no fault."""
        self._revoked = 0.0
        self._next_id = 41

    def fault_for(self, call: Call) -> Fault | None:
        return None if call.path in self.spared else super().fault_for(call)

    def revoke_tokens(self) -> None:
        """All that were given so far are refused from now on."""
        self._revoked = time.time()

    def reply(self, call: Call) -> Reply:
        parts = call.path.strip("/").split("/")
        if parts == ["auth", "signin"]:
            return self._sign_in(call.json())
        if not self._is_signed_in(call.headers.get("authorization", "")):
            return self.refusal_of_tokens
        match call.method, parts:
            case "POST", ["work-orders"]:
                return self._create(call.json())
            case "POST", ["work-orders", "search"]:
                return self._search(call.json())
            case "GET", [("labors" | "additional-costs" | "part-quantities") as kind, "work-order", number]:
                of_kind = {"labors": self.labors, "additional-costs": self.costs, "part-quantities": self.parts}[kind]
                if kind in self.hidden:
                    return _failure(403, "Access denied")
                known = int(number) in self.orders
                return Reply(200, of_kind.get(int(number), [])) if known else _failure(404, "Not found")
            case (("GET" | "DELETE" | "PATCH"), ["work-orders", number, *rest]):
                order = self.orders.get(int(number))
                if order is None:
                    return _failure(404, "Not found")
                return self._change(call, order, rest)
            case _:
                return _failure(404, "Resource not found")

    def complete(self, number: int, *, at: datetime, feedback: str | None = None) -> None:
        """As a technician does in its own pages."""
        self.orders[number] |= {"status": "COMPLETE", "completedOn": _java_date(at), "feedback": feedback}

    def _sign_in(self, body: dict[str, Any]) -> Reply:
        self.sign_ins += 1
        if any(not isinstance(body.get(name), str) for name in ("email", "password", "type")):
            return _failure(400, "must not be null")
        if (body["email"].lower(), body["password"], body["type"].upper()) != (EMAIL, PASSWORD, "CLIENT"):
            return _failure(403, "Invalid credentials")
        now = time.time()
        claims = {"sub": EMAIL, "auth": [{"authority": "ROLE_CLIENT"}], "iat": now, "exp": now + self.token_life_s}
        return Reply(200, {"accessToken": jwt.encode(claims, SIGNING_KEY, "HS256")})

    def _is_signed_in(self, header: str) -> bool:
        try:
            claims = jwt.decode(header.removeprefix("Bearer "), SIGNING_KEY, ["HS256"], options={"verify_iat": False})
        except jwt.InvalidTokenError:
            return False
        return header.startswith("Bearer ") and claims["iat"] >= self._revoked

    def _create(self, body: dict[str, Any]) -> Reply:
        if not self.may_create:
            return _failure(403, "Access denied")
        if body.get("title") is None:
            return _failure(400, "must not be null")
        location = (body.get("location") or {}).get("id")
        too_long = len(body["title"]) > 255 or len(body.get("description") or "") > 10_000
        # What the database refuses is a failure of the server's, and so is a list that is not there.
        if too_long or "customFields" not in body or (location is not None and location not in LOCATIONS):
            return _failure(500, "could not execute statement")
        if body.get("priority", "NONE") not in ("NONE", "LOW", "MEDIUM", "HIGH"):
            return _failure(500, "JSON parse error")
        self._next_id += 1
        order = {
            "id": self._next_id,
            "customId": f"WO{self._next_id:06d}",
            "createdAt": _java_date(datetime.now(UTC)),
            "status": "OPEN",
            "completedOn": None,
            "feedback": None,
            "archived": False,
            **{name: body.get(name) for name in ("title", "description", "priority", "estimatedStartDate", "dueDate")},
            "location": None if location is None else {"id": location, "name": f"Building {location}"},
        }
        self.orders[self._next_id] = order
        if mark := MARK.search(order["description"] or ""):
            self.effects[mark[1]] += 1
        return Reply(200, order)

    def _change(self, call: Call, order: dict[str, Any], rest: list[str]) -> Reply:
        match call.method, rest:
            case "GET", []:
                return Reply(200, order)
            case "DELETE", []:
                if not self.may_delete:
                    return _failure(403, "Forbidden")
                del self.orders[order["id"]]
                return Reply(200, {"success": True, "message": "Deleted successfully"})
            case "PATCH", ["change-status"]:
                status = call.json().get("status")
                if status not in STATUSES:
                    return _failure(406, "Status can't be null")
                order |= {"status": status, "completedOn": None}
                if status == "COMPLETE":
                    self.complete(order["id"], at=datetime.now(UTC), feedback=call.json().get("feedback"))
                return Reply(200, order)
            case _:
                return _failure(405, "Request method is not supported")

    def _search(self, criteria: dict[str, Any]) -> Reply:
        try:
            wanted = [self._matcher(condition) for condition in criteria.get("filterFields", [])]
        except (KeyError, ValueError) as problem:
            return _failure(500, f"no such field or operation: {problem}")
        found = [order for order in self.orders.values() if all(matches(order) for matches in wanted)]
        backwards = criteria.get("direction", "ASC") == "DESC"
        found.sort(key=lambda order: order[criteria.get("sortField", "id")], reverse=backwards)
        size, number = criteria.get("pageSize", 10), criteria.get("pageNum", 0)
        content = found[number * size : (number + 1) * size]
        last = (number + 1) * size >= len(found)
        page = {"content": content, "totalElements": len(found), "number": number, "size": size, "last": last}
        return Reply(200, page)

    def _matcher(self, condition: dict[str, Any]) -> Any:
        field, value = condition["field"], condition.get("value")
        match condition["operation"], condition.get("enumName"):
            case "cn", None if field in ("title", "description", "customId"):
                # A pattern of SQL's LIKE, in which `_` stands for any letter.
                pattern = re.escape(str(value).lower()).replace("_", ".").replace("%", ".*")
                return lambda order: re.search(pattern, (order[field] or "").lower(), re.DOTALL) is not None
            case "in", "STATUS" if field == "status":
                names = [str(name).upper() for name in condition["values"]]
                return lambda order: order["status"] in names
            case "ge", "JS_DATE" if field in ("completedOn", "createdAt", "dueDate"):
                local = datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) - self.zone
                return lambda order: order[field] is not None and datetime.fromisoformat(order[field]) >= local
            case other:
                raise ValueError(f"{field} {other}")


def _failure(status: int, message: str) -> Reply:
    return Reply(status, {"success": False, "message": message})


def _java_date(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
