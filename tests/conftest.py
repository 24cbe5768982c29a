"""What all tests share: the built artefacts, and settings with a state folder of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aam.artefacts import build_all
from aam.cluster import prepare_environment
from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from core.settings import Settings, load_settings

pytest_plugins = ("tests.house", "tests.traces")


def pytest_configure() -> None:
    """Ray reads its proxy variables when it is imported, which test modules do."""
    prepare_environment()


@pytest.fixture(scope="session")
def built_settings() -> Settings:
    """Settings whose artefacts are built; made once and kept between runs by the hash of their inputs."""
    settings = load_settings()
    build_all(settings.artefacts_dir)
    return settings


@pytest.fixture
def settings(built_settings: Settings, tmp_path: Path) -> Settings:
    """As `built_settings`, with a state folder of the test's own."""
    return built_settings.model_copy(update={"state_dir": tmp_path / "state"})


@pytest.fixture(scope="session")
def kb_folder(built_settings: Settings) -> Path:
    """The knowledge-base artefact."""
    return built_settings.artefacts_dir / "kb"


@pytest.fixture(scope="session")
def real_embedder(built_settings: Settings) -> OnnxEmbedder:
    """The exported sentence model."""
    return OnnxEmbedder(built_settings.artefacts_dir / "embedder")


@pytest.fixture(scope="session")
def real_knowledge(kb_folder: Path) -> Iterator[ChromaKnowledge]:
    """The knowledge base as it is served."""
    knowledge = ChromaKnowledge(kb_folder)
    yield knowledge
    knowledge.close()
