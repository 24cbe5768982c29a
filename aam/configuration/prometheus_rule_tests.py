"""Checks the tests of alert rules without Prometheus: strict keys, and each alert tried both ways."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aam.configuration.documents import read_mapping
from aam.configuration.findings import Finding, Unreadable, unknown, within
from aam.configuration.kuberay_pods import mapping, mappings
from aam.observability.promql import read
from aam.observability.promql_tokens import PromqlError

_FILE_KEYS = ("rule_files", "evaluation_interval", "group_eval_order", "tests")
_TEST_KEYS = ("name", "interval", "input_series", "alert_rule_test", "promql_expr_test", "external_labels")
_SERIES_KEYS = ("series", "values")
_ALERT_KEYS = ("eval_time", "alertname", "exp_alerts")
_EXPECTED_KEYS = ("exp_labels", "exp_annotations")


def check_tests(path: Path, document: Mapping[str, Any] | None = None) -> list[Finding]:
    """What is wrong with a file of tests; the rules are those that it names beside it."""
    try:
        tests = read_mapping(path) if document is None else document
        alerts = [name for file in tests.get("rule_files") or () for name in _alerts(path.parent / str(file))]
    except Unreadable as problem:
        return [problem.finding]
    return [Finding(path, place, message) for place, message in (*_tests(tests), *_tried(tests, alerts))]


def _alerts(rules: Path) -> list[str]:
    groups = mappings(read_mapping(rules).get("groups"))
    return [str(rule.get("alert")) for group in groups for rule in mappings(group.get("rules"))]


def _tests(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _keys("", document, _FILE_KEYS)
    for number, test in enumerate(mappings(document.get("tests"))):
        place = within("tests", number)
        yield from _keys(place, test, _TEST_KEYS)
        for position, series in enumerate(mappings(test.get("input_series"))):
            of_series = within(within(place, "input_series"), position)
            yield from _keys(of_series, series, _SERIES_KEYS)
            yield from _series(of_series, str(series.get("series")))
        for position, asked in enumerate(mappings(test.get("alert_rule_test"))):
            of_alert = within(within(place, "alert_rule_test"), position)
            yield from _keys(of_alert, asked, _ALERT_KEYS)
            for each in mappings(asked.get("exp_alerts")):
                yield from _keys(within(of_alert, "exp_alerts"), each, _EXPECTED_KEYS)


def _series(place: str, series: str) -> Iterator[tuple[str, str]]:
    """A series that does not exist would be a test of nothing."""
    try:
        read(series)
    except PromqlError as problem:
        yield within(place, "series"), str(problem)


def _tried(document: Mapping[str, Any], alerts: list[str]) -> Iterator[tuple[str, str]]:
    fires: set[str] = set()
    rests: set[str] = set()
    for number, test in enumerate(mappings(document.get("tests"))):
        for position, asked in enumerate(mappings(test.get("alert_rule_test"))):
            name = str(asked.get("alertname"))
            if name not in alerts:
                place = within(within(within("tests", number), "alert_rule_test"), position)
                yield within(place, "alertname"), unknown(name, alerts, "alert")
            (fires if mappings(asked.get("exp_alerts")) else rests).add(name)
    for name in alerts:
        if name not in fires:
            yield "tests", f"never has {name} fire; add a case in which it does"
        if name not in rests:
            yield "tests", f"never has {name} rest; add a case in which it does not fire"


def _keys(place: str, given: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key in mapping(given):
        if key not in known:
            yield within(place, key), unknown(key, known)
