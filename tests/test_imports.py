"""The import table of ARCHITECTURE.md, enforced on every module."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STANDARD = frozenset(sys.stdlib_module_names)
SERVICES = ("ai_processing", "decision_simulation", "execution", "request_management")
ALGORITHMS = {"numpy", "xgboost", "simpy"}
VENDORS = {
    "PIL", "aiohttp", "bm25s", "boto3", "botocore", "chromadb", "cloudevents", "filetype", "google", "httpx", "jinja2",
    "aiosmtplib", "jmespath", "jwt", "opentelemetry",
    "limits", "numpy", "onnxruntime", "phonenumbers", "purgatory", "pydantic", "pypdf", "standardwebhooks",
    "tenacity", "tokenizers", "xgboost", "yaml",
}  # fmt: skip
PAGES = {
    "authlib", "babel", "cryptography", "fastapi", "httpx", "httpx2", "jinja2", "joserfc", "markdown_it", "markupsafe",
    "pydantic", "starlette", "vl_convert",
}  # fmt: skip
TRAINING = {"models", "kb", "aam", "bench", "tests"}


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def allowed_in(file: Path) -> set[str]:
    """The top-level packages, and dotted prefixes, that a file may import besides the standard library."""
    parts = file.relative_to(ROOT).parts
    if parts[0] == "core":
        return {"core", "pydantic", "pydantic_core", "pydantic_settings"}
    if parts[0] == "adapters":
        return {"core", "adapters", "ray.serve.metrics"} | VENDORS
    if parts[0] == "web":
        return {"core", "web"} | PAGES
    own = f"deployments.{parts[1]}"
    if parts[1] == "__init__.py":
        return set()
    allowed = {"core", own, "pydantic"} | ALGORITHMS
    if "api" in parts:
        return allowed | {"fastapi", "starlette", "fastapi_offline", "web.application"}
    if file.name in ("deployment.py", "handles.py"):
        return allowed | {"ray", "grpc", "adapters", "fastapi"}
    return allowed


def is_allowed(module: str, allowed: set[str]) -> bool:
    if module.split(".")[0] in STANDARD:
        return True
    return any(module == name or module.startswith(name + ".") for name in allowed)


SERVED = files("core", "adapters", "deployments", "web")


@pytest.mark.parametrize("file", SERVED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_place_allows(file: Path) -> None:
    allowed = allowed_in(file)
    # `from package import name` also yields package.name: what counts is whether the package is allowed.
    wrong = {module for module in imports(file) if not is_allowed(module, allowed) and module != "deployments"}
    assert not wrong


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_imports_another(service: str) -> None:
    others = {f"deployments.{other}" for other in SERVICES if other != service}
    for file in files(f"deployments/{service}"):
        assert not [module for module in imports(file) if any(module.startswith(other) for other in others)]


def test_only_the_graph_knows_all_deployments() -> None:
    for file in files("core", "adapters", "deployments", "web", "models", "kb"):
        assert "graph" not in set(imports(file))
        if file.name != "deployment.py":
            assert not [module for module in imports(file) if module.endswith(".deployment")]


def test_serving_never_imports_training() -> None:
    for file in [*files("core", "adapters", "deployments", "web"), ROOT / "graph.py"]:
        assert not {module.split(".")[0] for module in imports(file)} & TRAINING


def test_the_check_would_notice() -> None:
    assert not is_allowed("torch", allowed_in(ROOT / "deployments/ai_processing/text.py"))
    assert not is_allowed("deployments.execution.consumer", allowed_in(ROOT / "deployments/ai_processing/text.py"))
    assert not is_allowed("ray", allowed_in(ROOT / "deployments/request_management/pipeline.py"))
    assert is_allowed("core.errors", allowed_in(ROOT / "deployments/ai_processing/text.py"))
