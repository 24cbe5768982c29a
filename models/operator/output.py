"""The folder that a training leaves: report, models, and the servable risk artefact where there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from adapters.artefacts import BuildReport, Manifest, build_once, content_hash, files_hash
from adapters.risk_artefact import ARTEFACT as RISK
from core.contract import rfc3339
from models.operator import servable
from models.operator.history import History
from models.operator.report import written
from models.operator.study import Findings, Options, study
from models.operator.text import Encode

NOT_SERVABLE = "operator-models"
"""The artefact's name where the service can't read it, so that the service refuses it."""
MODELS = "models"


def train(history: History, options: Options, encoders: Mapping[str, Encode], folder: Path) -> Manifest:
    """Train into `folder`, unless it holds the outcome of the same history, options, encoders and code."""
    obstacles = servable.obstacles(history)
    name = NOT_SERVABLE if obstacles else RISK
    parts = [history.header.model_dump_json(), options.model_dump_json(), *sorted(encoders), _code()]
    inputs = content_hash(part.encode() for part in parts)
    return build_once(folder, name, inputs, lambda into: _make(history, options, encoders, obstacles, into))


def _make(
    history: History, options: Options, encoders: Mapping[str, Encode], obstacles: list[str], folder: Path
) -> BuildReport:
    findings = study(history, options, encoders)
    _write_models(findings, folder / MODELS)
    metrics = {} if obstacles else servable.write(history, folder, options.test_share)
    details = _details(history, obstacles)
    figures = {
        **details,
        "options": options.model_dump(),
        "judgements": [each.model_dump() for each in findings.judgements],
        "missing": findings.missing,
        "durations": [each.model_dump() for each in findings.durations],
        "servable": metrics,
    }
    # Not a number where a report has nothing to judge: null in JSON.
    (folder / "report.json").write_text(json.dumps(_finite(figures), indent=1))
    (folder / "report.md").write_text(written(details, findings, metrics))
    return BuildReport(
        built_with={"xgboost": xgboost.__version__, "numpy": np.__version__}, metrics=metrics, details=details
    )


def _write_models(findings: Findings, folder: Path) -> None:
    folder.mkdir()
    for name, (trained, columns) in findings.models.items():
        for number, booster in enumerate(trained.boosters):
            booster.save_model(str(folder / f"{name}.{number}.json"))
        trained.linear.save(folder / f"{name}.linear.npz")
        specification = {
            "columns": columns,
            "trees_share": trained.share,
            "linear_columns": trained.linear.names,
            "calibration": trained.calibration.model_dump(),
        }
        (folder / f"{name}.specification.json").write_text(json.dumps(specification, indent=1))
    if findings.duration_model:
        findings.duration_model.booster.save_model(str(folder / "duration.json"))
        body = findings.duration_model.specification.model_dump_json(indent=1)
        (folder / "duration.specification.json").write_text(body)
    for kind, projection in findings.projections.items():
        projection.save(folder / f"text_{kind}.npz")


def _details(history: History, obstacles: list[str]) -> dict[str, Any]:
    header = history.header
    return {
        "trained_on": f"the operator's history {header.name}",
        "history_content": header.content,
        "reports": header.rows,
        "first_report": rfc3339(history.reports[0].created_at),
        "last_report": rfc3339(history.reports[-1].created_at),
        "reports_until": rfc3339(header.reports_until),
        "closures_until": rfc3339(header.closures_until),
        "servable": not obstacles,
        "not_servable_because": obstacles,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _code() -> str:
    return files_hash(Path(__file__).parent.glob("*.py"))
