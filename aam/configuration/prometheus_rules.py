"""Checks Prometheus' alert rules: strict keys, expressions over what exists, a severity, a runbook that is there."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aam.configuration.documents import read_mapping
from aam.configuration.findings import Finding, Unreadable, unknown, within
from aam.configuration.kinds import ConfigurationKind
from aam.configuration.kuberay_pods import mapping, mappings
from aam.configuration.prometheus_rule_tests import check_tests
from aam.observability.promql import read
from aam.observability.promql_tokens import PromqlError
from core.settings import ROOT

RULES = "deploy/observability/alerts.yaml"
SEVERITIES = ("page", "ticket")
RUNBOOKS = (
    "deploy",
    "roll-back",
    "new-model",
    "new-knowledge-base",
    "scale",
    "head-loss",
    "region-restore",
    "key-rotation",
    "dead-letters",
    "on-call",
)
_GROUP_KEYS = ("name", "interval", "limit", "rules")
_RULE_KEYS = ("alert", "expr", "for", "keep_firing_for", "labels", "annotations")
_ANNOTATIONS = ("summary", "runbook")
_DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")
_LABEL = re.compile(r"\$labels\.(\w+)")


def check(path: Path, document: Mapping[str, Any] | None = None) -> list[Finding]:
    """What is wrong with a file of rules; `document` is what `read_mapping` made of it."""
    try:
        rules = read_mapping(path) if document is None else document
    except Unreadable as problem:
        return [problem.finding]
    found = [Finding(path, place, message) for place, message in _groups(rules)]
    return found or list(_promtool(path))


def _groups(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _keys("", document, ("groups",), ("groups",))
    groups: set[str] = set()
    alerts: set[str] = set()
    for number, group in enumerate(mappings(document.get("groups"))):
        place = within("groups", number)
        yield from _keys(place, group, _GROUP_KEYS, ("name", "rules"))
        yield from _once(within(place, "name"), group.get("name"), groups)
        for position, rule in enumerate(mappings(group.get("rules"))):
            of_rule = within(within(place, "rules"), position)
            yield from _once(within(of_rule, "alert"), rule.get("alert"), alerts)
            yield from _rule(of_rule, rule)


def _rule(place: str, rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _keys(place, rule, _RULE_KEYS, ("alert", "expr", "labels", "annotations"))
    for key in ("for", "keep_firing_for"):
        if key in rule and not _DURATION.fullmatch(str(rule[key])):
            yield within(place, key), f"{rule[key]!r} is no duration; give one such as 5m"
    labels, notes = mapping(rule.get("labels")), mapping(rule.get("annotations"))
    yield from _keys(within(place, "labels"), labels, ("severity",), ("severity",))
    yield from _keys(within(place, "annotations"), notes, _ANNOTATIONS, _ANNOTATIONS)
    if labels.get("severity") not in (None, *SEVERITIES):
        yield within(place, "labels.severity"), unknown(labels["severity"], SEVERITIES, "severity")
    if "runbook" in notes:
        yield from _runbook(within(place, "annotations.runbook"), str(notes["runbook"]))
    yield from _expression(place, str(rule.get("expr", "")), str(notes.get("summary", "")))


def _expression(place: str, expression: str, summary: str) -> Iterator[tuple[str, str]]:
    try:
        answer = read(expression)
    except PromqlError as problem:
        yield within(place, "expr"), str(problem)
        return
    if answer.form != "vector":
        yield within(place, "expr"), "is a number, which every alert would fire for; ask for a metric"
    for label in sorted(set(_LABEL.findall(summary)) - answer.labels):
        yield within(place, "annotations.summary"), unknown(label, answer.labels, "label")


def _runbook(place: str, given: str) -> Iterator[tuple[str, str]]:
    known = {f"docs/runbooks/{name}.md" for name in RUNBOOKS}
    if given not in known:
        yield place, unknown(given, known, "runbook")
    elif (ROOT / "docs" / "runbooks").is_dir() and not (ROOT / given).is_file():
        yield place, f"{given} is not there; write it, or name another"


def _once(place: str, name: object, seen: set[str]) -> Iterator[tuple[str, str]]:
    if name in seen:
        yield place, f"{name!r} stands twice; give each a name of its own"
    seen.add(str(name))


def _keys(
    place: str, given: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    for key in given:
        if key not in known:
            yield within(place, key), unknown(key, known)
    for key in needed:
        if not given.get(key):
            yield within(place, key), "is missing; give it"


def _promtool(path: Path) -> Iterator[Finding]:
    """What Prometheus itself says, where its tool is there."""
    program = shutil.which("promtool")
    if program is None:
        return
    done = subprocess.run([program, "check", "rules", str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        yield Finding(path, "", f"{(done.stderr or done.stdout).strip()[:300]} (promtool)")


KINDS = (
    ConfigurationKind("alert rules of Prometheus", (RULES,), read_mapping, check, required=True),
    ConfigurationKind(
        "tests of the alert rules", ("deploy/observability/alerts_test.yaml",), read_mapping, check_tests, required=True
    ),
)
