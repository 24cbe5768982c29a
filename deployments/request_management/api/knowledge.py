"""Routes to the knowledge base's documents, as people read them."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from core.knowledge import KnowledgeDocument, KnowledgePage, KnowledgeQuery
from core.rules import DocumentKind
from deployments.request_management import access
from deployments.request_management.api.context import Caller, Cursor, Limit, Reply, Service, send
from deployments.request_management.api.problems import documented

router = APIRouter(tags=["knowledge"], responses=documented(401, 403, 413, 422, 429, 500, 503))


@router.get("/knowledge", response_model=KnowledgePage)
async def list_knowledge(
    service: Service,
    caller: Caller,
    doc_type: DocumentKind | None = None,
    building_id: Annotated[str | None, Query(max_length=100)] = None,
    query: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The documents in force, by id; with `building_id` those that hold there, with `query` those with these words."""
    access.require_role(caller, access.ANALYSTS)
    wanted = KnowledgeQuery(doc_type=doc_type, building_id=building_id, words=query)
    return send(Reply(await service.analysis.knowledge_page(wanted, limit, cursor)))


@router.get("/knowledge/{doc_id}", response_model=KnowledgeDocument, responses=documented(404))
async def get_knowledge(doc_id: str, service: Service, caller: Caller) -> Response:
    """What a document says, by section, and what it decides."""
    access.require_role(caller, access.ANALYSTS)
    return send(Reply(await service.analysis.knowledge_document(doc_id)))
