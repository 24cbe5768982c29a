"""Checks GitHub's workflows: by the published schema, by what they refer to, and by actionlint where it is."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

from aam.configuration.documents import read_mapping, read_text
from aam.configuration.findings import Finding, Unreadable, unknown, within
from aam.configuration.kinds import ConfigurationKind
from aam.configuration.kuberay_pods import mapping, mappings
from core.settings import ROOT

MISSING = "can't be checked without check-jsonschema; `pip install -c constraints.txt check-jsonschema` brings it"
_PINNED = re.compile(r"[\w.-]+(/[\w.-]+)+@(v?\d+(\.\d+)*|[0-9a-f]{40})")
_MAKE = re.compile(r"^\s*make\s+([a-z][\w-]*)", re.MULTILINE)
_STEP_OUTPUT = re.compile(r"\bsteps\.([\w-]+)\.")
_JOB_OUTPUT = re.compile(r"\bneeds\.([\w-]+)\.outputs\.([\w-]+)")
_UNTRUSTED = re.compile(r"\$\{\{")
_TARGET = re.compile(r"^([a-z][\w-]*):", re.MULTILINE)


def check(path: Path, document: Mapping[str, Any] | None = None) -> list[Finding]:
    """What is wrong with a workflow; `document` is what `read_mapping` made of it."""
    try:
        workflow = read_mapping(path) if document is None else document
    except Unreadable as problem:
        return [problem.finding]
    return [*_schema(path), *_jobs(path, workflow), *_actionlint(path)]


@cache
def _validator() -> Any:
    from jsonschema import Draft7Validator

    file = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "github-workflows.json"
    return cast(Any, Draft7Validator(json.loads(file.read_text(encoding="utf-8"))))


def _schema(path: Path) -> Iterator[Finding]:
    try:
        validator = _validator()
    except ImportError:
        yield Finding(path, "", MISSING)
        return
    import yaml

    # As text, since YAML 1.1 reads the key `on` as a truth value.
    document = yaml.load(read_text(path), _texts())
    for error in (leaf for each in validator.iter_errors(document) for leaf in _leaves(each)):
        place = ""
        for part in error.absolute_path:
            place = within(place, part)
        yield Finding(path, place, f"{error.message[:200]}; give what GitHub's schema takes")


def _leaves(error: Any) -> Iterator[Any]:
    """Of the alternatives that a schema offers, the complaints of the one with the fewest: it is the one meant."""
    if not error.context:
        yield error
        return
    alternatives: dict[object, list[Any]] = {}
    for each in error.context:
        alternatives.setdefault(each.relative_schema_path[0], []).append(each)
    for each in min(alternatives.values(), key=len):
        yield from _leaves(each)


@cache
def _texts() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML 1.2's truth values alone."""

    resolvers = {
        first: [(tag, pattern) for tag, pattern in entries if tag != "tag:yaml.org,2002:bool"]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.yaml_implicit_resolvers = resolvers
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))  # pyright: ignore[reportUnknownMemberType]
    return Loader


def _jobs(path: Path, workflow: Mapping[str, Any]) -> Iterator[Finding]:
    if "permissions" not in workflow:
        yield Finding(path, "permissions", "is missing; say what the token may do, such as contents: read")
    jobs = mapping(workflow.get("jobs"))
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for name, job in jobs.items():
        place = within("jobs", name)
        needs: str | list[str] = job.get("needs") or []
        for needed in [needs] if isinstance(needs, str) else needs:
            if needed not in jobs:
                yield Finding(path, within(place, "needs"), unknown(needed, jobs, "job"))
        if "timeout-minutes" not in job:
            yield Finding(path, within(place, "timeout-minutes"), "is missing; GitHub's default is six hours")
        yield from _outputs(path, place, job, jobs)
        for number, step in enumerate(mappings(job.get("steps"))):
            yield from _step(path, within(within(place, "steps"), number), step, targets)


def _outputs(path: Path, place: str, job: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[Finding]:
    text = json.dumps(job)
    steps = {str(step["id"]) for step in mappings(job.get("steps")) if "id" in step}
    for used in sorted(set(_STEP_OUTPUT.findall(text)) - steps):
        yield Finding(path, place, unknown(used, steps, "step's id"))
    for other, output in sorted(set(_JOB_OUTPUT.findall(text))):
        if output not in mapping(mapping(jobs.get(other)).get("outputs")):
            yield Finding(path, place, f"job {other!r} has no output {output!r}; give it one")


def _step(path: Path, place: str, step: Mapping[str, Any], targets: set[str]) -> Iterator[Finding]:
    uses, script = step.get("uses"), str(step.get("run", ""))
    if uses is not None and not _PINNED.fullmatch(str(uses)):
        yield Finding(path, within(place, "uses"), f"{uses} is not pinned; give a version or a commit")
    for target in _MAKE.findall(script):
        if target not in targets:
            yield Finding(path, within(place, "run"), unknown(target, targets, "target of make"))
    if _UNTRUSTED.search(script):
        message = "puts an expression into a script, which runs whatever it holds; pass it by env"
        yield Finding(path, within(place, "run"), message)


def _actionlint(path: Path) -> Iterator[Finding]:
    program = shutil.which("actionlint")
    if program is None:
        return
    done = subprocess.run([program, "-format", "{{json .}}", str(path)], capture_output=True, text=True, check=False)
    for each in json.loads(done.stdout or "[]"):
        yield Finding(path, f"line {each['line']}", f"{each['message']} (actionlint {each['kind']})")


KINDS = (ConfigurationKind("workflows of GitHub", (".github/workflows/*.yaml",), read_mapping, check, required=True),)
