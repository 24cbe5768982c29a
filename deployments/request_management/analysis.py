"""The calls that ask the thinking services one thing at a time: classify, predict risk, simulate, decide, retrieve."""

from collections.abc import Callable
from datetime import datetime

from core.errors import AppError, Invalid, ServiceUnavailable
from core.explanation import Explanation
from core.knowledge import KnowledgeDocument, KnowledgePage, KnowledgeQuery
from core.labels import Category, Intent, Urgency
from core.messages import (
    AssessItem,
    Assessment,
    ItemFailure,
    KnowledgeFacts,
    Resolved,
    ResolveItem,
    RetrieveQuery,
    Workload,
)
from core.request import Classification, Decision, RequestId, Risk
from core.safety_check import SafetyCheck
from deployments.request_management.peers import AIProcessing, DecisionSimulation
from deployments.request_management.schemas import (
    DecisionQuestion,
    RetrievalAnswer,
    RetrievalQuestion,
    RiskQuestion,
    SimulationAnswer,
    SimulationFacts,
    SimulationQuestion,
    past_requests,
    risk_of,
)


class Analysis:
    """Answers analysts' questions; nothing is stored."""

    def __init__(self, ai: AIProcessing, decision: DecisionSimulation, clock: Callable[[], datetime]) -> None:
        self._ai = ai
        self._decision = decision
        self._clock = clock

    async def classify(self, message_text: str) -> Classification:
        """Labels of a message."""
        return (await self._assess(AssessItem(message_text=message_text, at=self._clock()))).classification

    async def explain(self, message_text: str) -> Explanation:
        """What each word of a message adds to its labels."""
        return await self._ai.explain(message_text)

    async def check_safety(self, message_text: str) -> SafetyCheck:
        """What the life-safety rules alone say of a message."""
        return await self._ai.check_safety(message_text)

    async def predict_risk(self, question: RiskQuestion) -> Risk:
        """Risk of a message with the history that the caller tells."""
        item = AssessItem(
            message_text=question.message_text,
            at=self._clock(),
            category=question.category,
            urgency=question.urgency,
            intent=question.intent,
            history=past_requests(question.resident_history),
            building=question.building,
            backlog=question.backlog,
        )
        return (await self._assess(item)).risk

    async def simulate(self, question: SimulationQuestion) -> SimulationAnswer:
        """Options with their distributions, for labels that the caller gives."""
        now, history = self._clock(), past_requests(question.resident_history)
        assessment = await self._assess(
            AssessItem(
                message_text=question.message_text,
                at=now,
                category=question.category,
                urgency=question.urgency,
                history=history,
            )
        )
        item = ResolveItem(
            request_id=RequestId("SIMULATION"),
            message_text=question.message_text,
            at=now,
            building_id=question.building_id,
            classification=_as_asked(assessment.classification, question),
            risk=risk_of(question.risk) or assessment.risk,
            history=history,
            workload=Workload(open_by_crew=question.workload.open_by_crew) if question.workload else Workload(),
        )
        resolved = _succeeded(await self._decision.simulate(item))
        trace = resolved.trace
        return SimulationAnswer(
            options=resolved.options,
            retrieval=resolved.retrieved,
            simulation=SimulationFacts(replications=trace.replications, seed=trace.seed, method=trace.method),
        )

    async def decide(self, question: DecisionQuestion) -> Decision:
        """Score and choose among the caller's options."""
        ids = [option.option_id for option in question.options]
        if len(set(ids)) != len(ids):
            raise Invalid("Each option needs an option_id of its own.")
        return await self._decision.decide(
            [option.as_option() for option in question.options],
            question.urgency,
            question.category,
            risk_of(question.risk),
            question.weights,
            question.building_id,
        )

    async def retrieve(self, question: RetrievalQuestion) -> RetrievalAnswer:
        """Passages of the knowledge base for a query."""
        documents = await self._decision.retrieve(
            RetrieveQuery(
                text=question.query,
                top_k=question.top_k,
                building_id=question.building_id,
                doc_type=question.doc_type,
                min_score=question.min_score,
            )
        )
        facts = await self._decision.describe_knowledge()
        return RetrievalAnswer(documents=documents, kb_version=facts.kb_version)

    async def describe_knowledge(self) -> KnowledgeFacts:
        """What is indexed and how it is searched."""
        return await self._decision.describe_knowledge()

    async def knowledge_page(self, query: KnowledgeQuery, limit: int, cursor: str | None) -> KnowledgePage:
        """The documents in force that match. Raises `InvalidCursor`."""
        return await self._decision.knowledge_page(query, limit, cursor)

    async def knowledge_document(self, doc_id: str) -> KnowledgeDocument:
        """What a document says and decides. Raises `NotFound`."""
        return await self._decision.knowledge_document(doc_id)

    async def _assess(self, item: AssessItem) -> Assessment:
        result = await self._ai.assess(item)
        if isinstance(result, ItemFailure):
            raise _as_error(result)
        return result


def _as_asked(found: Classification, question: SimulationQuestion) -> Classification:
    """The caller's labels in place of the model's: what is simulated is what was asked."""
    trade = question.trade or (found.trade if question.category is Category.MAINTENANCE else None)
    return found.model_copy(
        update={
            "category": question.category,
            "urgency": question.urgency,
            "trade": trade if question.category is Category.MAINTENANCE else None,
            "intent": Intent.SOLVE_PROBLEM,
            "emergency": question.urgency is Urgency.EMERGENCY,
            "source": "user",
        }
    )


def _succeeded(result: Resolved | ItemFailure) -> Resolved:
    if isinstance(result, ItemFailure):
        raise _as_error(result)
    return result


def _as_error(failure: ItemFailure) -> AppError:
    if failure.code in ("invalid", "bad_request"):
        return Invalid(failure.detail)
    return ServiceUnavailable("The message could not be judged now.")
