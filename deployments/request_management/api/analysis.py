"""Routes that ask the thinking services one thing at a time."""

from fastapi import APIRouter, Response

from core.explanation import Explanation
from core.messages import KnowledgeFacts
from core.request import Classification, Decision, Risk
from core.safety_check import SafetyCheck
from deployments.request_management import access
from deployments.request_management.api.context import Caller, Reply, Service, send
from deployments.request_management.api.problems import documented
from deployments.request_management.schemas import (
    DecisionQuestion,
    Message,
    RetrievalAnswer,
    RetrievalQuestion,
    RiskQuestion,
    SimulationAnswer,
    SimulationQuestion,
)

router = APIRouter(tags=["analysis"], responses=documented(401, 403, 413, 422, 429, 500, 503))


@router.post("/classify", response_model=Classification)
async def classify(message: Message, service: Service, caller: Caller) -> Response:
    """Labels of a message."""
    access.require_role(caller, access.ANALYSTS)
    return send(Reply(await service.analysis.classify(message.message_text)))


@router.post("/explain", response_model=Explanation)
async def explain(message: Message, service: Service, caller: Caller) -> Response:
    """Which words of a message its category and urgency hang on, as the local model reads it."""
    access.require_role(caller, access.ANALYSTS)
    return send(Reply(await service.analysis.explain(message.message_text)))


@router.post("/safety-check", response_model=SafetyCheck)
async def check_safety(message: Message, service: Service, caller: Caller) -> Response:
    """Whether a message that is still being written tells of danger, by the life-safety rules alone; nothing is kept.

    That no rule fires does not mean that all is well: `POST /requests` looks closer.
    """
    access.require_role(caller, access.SUBMITTERS)
    return send(Reply(await service.analysis.check_safety(message.message_text)))


@router.post("/predict-risk", response_model=Risk)
async def predict_risk(question: RiskQuestion, service: Service, caller: Caller) -> Response:
    """How likely a message is to go wrong."""
    access.require_role(caller, access.ANALYSTS)
    return send(Reply(await service.analysis.predict_risk(question)))


@router.post("/simulate", response_model=SimulationAnswer)
async def simulate(question: SimulationQuestion, service: Service, caller: Caller) -> Response:
    """Options with their cost and time distributions."""
    access.require_role(caller, access.ANALYSTS)
    return send(Reply(await service.analysis.simulate(question)))


@router.post("/decide", response_model=Decision)
async def decide(question: DecisionQuestion, service: Service, caller: Caller) -> Response:
    """Score and choose among given options."""
    access.require_role(caller, access.ANALYSTS)
    return send(Reply(await service.analysis.decide(question)))


@router.post("/rag/retrieve", response_model=RetrievalAnswer)
async def retrieve(question: RetrievalQuestion, service: Service, caller: Caller) -> Response:
    """Passages of the knowledge base for a query."""
    access.require_role(caller, access.ANALYSTS)
    return send(Reply(await service.analysis.retrieve(question)))


@router.get("/rag/config", response_model=KnowledgeFacts)
async def describe_knowledge(service: Service, caller: Caller) -> Response:
    """What is indexed and how it is searched."""
    access.require_role(caller, access.ANALYSTS)
    return send(Reply(await service.analysis.describe_knowledge()))
