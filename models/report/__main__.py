"""`python -m models.report`: measures everything, writes the report, and prints where it is and what it says."""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_files import ARTEFACT as KNOWLEDGE
from adapters.knowledge_files import read_rules
from core.settings import Settings, load_settings
from kb.evaluate_retrieval import RetrievalFigures, compare_retrieval
from kb.queries import read_queries
from models.corpus_reader import read_corpus, split
from models.report import other_sections, service_sections, text_sections
from models.report.decisions import DecisionEvaluation, decision_section, evaluate_decisions
from models.report.document import Block, Heading, Paragraph, Table
from models.report.knowledge import KnowledgeEvaluation, evaluate_knowledge
from models.report.rendering import render_html, render_markdown
from models.report.retrieval import retrieval, retrieval_targets
from models.report.simulation import SimulationEvaluation, evaluate_simulation, simulation, simulation_targets
from models.report.targets import Target, targets
from models.text.evaluate import TextEvaluation
from models.text.evaluate import evaluate as evaluate_text

TITLE = "How good the models are"
COLUMNS = ("target", "aim", "found", "verdict")


def evaluate_risk(settings: Settings) -> Mapping[str, Any]:
    """The risk model's figures. Raises `ArtefactRefused`."""
    from adapters.risk_artefact import ARTEFACT, read_risk_artefact
    from deployments.ai_processing.risk import RiskModel
    from models.risk.ceilings import read_ceilings
    from models.risk.evaluate import evaluate

    model = RiskModel(read_risk_artefact(settings.artefacts_dir / ARTEFACT), UTC)
    return evaluate(model, ceilings=read_ceilings())


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured."""

    text: TextEvaluation
    risk: Mapping[str, Any]
    knowledge: KnowledgeEvaluation
    retrieval: Sequence[RetrievalFigures]
    decisions: DecisionEvaluation
    simulation: SimulationEvaluation

    @property
    def targets(self) -> tuple[Target, ...]:
        """What was aimed at, and what was found."""
        return (*targets(self.text), *retrieval_targets(self.retrieval), *simulation_targets(self.simulation))


def evaluate(settings: Settings) -> Evaluation:
    """Measure everything. Raises `ArtefactRefused`."""
    text = evaluate_text(settings, _say)
    _say("  the risk model ...")
    risk = evaluate_risk(settings)
    _say("  the knowledge base ...")
    knowledge = evaluate_knowledge(settings)
    embedder = OnnxEmbedder(settings.artefacts_dir / "embedder")
    retrieved = compare_retrieval(settings.artefacts_dir / KNOWLEDGE, embedder, read_queries())
    rules = read_rules(settings.artefacts_dir / KNOWLEDGE)
    _say("  the decisions ...")
    decisions = evaluate_decisions(rules, split(read_corpus()).test, settings.time_zone)
    return Evaluation(text, risk, knowledge, retrieved, decisions, evaluate_simulation(rules, _say))


def compose(found: Evaluation, folder: Path) -> list[Block]:
    """The whole report; its pictures are drawn into `folder`."""
    text, risk, knowledge = found.text, found.risk, found.knowledge
    return [
        Heading(1, TITLE),
        Paragraph(
            f"Text model `{text.version}`, risk model `{risk['model']}`, sentence embedder `{knowledge.version}`; "
            f"measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, source {_source()}. What each model is for, and what it "
            "is not good for, is on its card: `models/text/CARD.md`, `models/risk/CARD.md`, `models/embedder.CARD.md`."
        ),
        Heading(2, "Targets"),
        Table(COLUMNS, [target.cells() for target in found.targets]),
        *text_sections.judged_on(text),
        *text_sections.choice(text, folder),
        *text_sections.labels(text, folder),
        *text_sections.confidence(text, folder),
        *text_sections.sliced(text, folder),
        *service_sections.alarms(text),
        *service_sections.splitting(text),
        *service_sections.outside(text),
        *service_sections.quantisation(text),
        *service_sections.cascade(text),
        *service_sections.masking(text),
        *service_sections.speed(text),
        *other_sections.risk(risk, folder),
        *retrieval(found.retrieval),
        *other_sections.knowledge(knowledge),
        *simulation(found.simulation),
        *decision_section(found.decisions),
        *service_sections.corpus(text),
        *service_sections.misses(text),
    ]


def write(blocks: Sequence[Block], folder: Path) -> tuple[Path, Path]:
    """`models.md`, beside its pictures, and `models.html`, which holds them."""
    markdown, page = folder / "models.md", folder / "models.html"
    markdown.write_text(render_markdown(blocks), encoding="utf-8")
    page.write_text(render_html(TITLE, blocks, folder), encoding="utf-8")
    return markdown, page


def summary(found: Sequence[Target]) -> str:
    """The targets for a terminal."""
    rows = [COLUMNS, *(target.cells() for target in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print; about a quarter of an hour on two cores."""
    parser = argparse.ArgumentParser(prog="python -m models.report", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the report; reports below the state folder by default")
    options = parser.parse_args(arguments)
    settings = load_settings()
    folder: Path = options.out or settings.state_dir / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    found = evaluate(settings)
    markdown, page = write(compose(found, folder), folder)
    _say(f"\n{summary(found.targets)}\n\n{markdown}\n{page}")
    return 0


def _source() -> str:
    """The commit, where there is one."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"`{found.stdout.strip()}`"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
