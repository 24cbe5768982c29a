"""The tables and indexes of the SQLite store.

Times are milliseconds since 1970. A request's documents are its JSON; what a query looks at is a column. The columns
`next_action_at` and `attempts` are the truth about pending work: a claim changes them without touching the documents.

A program of an earlier version that still runs beside this one writes documents without the newer columns. So a row
says in `indexed_version` at which of its versions all its columns were written; where that is not the row's version,
reads go by the documents, and `store_sqlite_reindex` brings the columns up to date. A version that adds such columns
sets `indexed_version` to NULL in every row, or adds another column in its place.
"""

VERSION_1 = """
CREATE TABLE requests (
    row INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL UNIQUE,
    resident_id TEXT NOT NULL,
    building_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    events INTEGER NOT NULL,
    status TEXT NOT NULL,
    category TEXT,
    trade TEXT,
    urgency TEXT,
    topic TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    open_crew TEXT,
    attention_order INTEGER,
    resolved_at INTEGER,
    breached INTEGER NOT NULL,
    escalated INTEGER NOT NULL,
    next_action_at INTEGER,
    attempts INTEGER NOT NULL,
    request TEXT NOT NULL,
    internal TEXT NOT NULL
) STRICT;

CREATE INDEX by_age ON requests (created_at, request_id);
CREATE INDEX by_status ON requests (status, created_at, request_id);
CREATE INDEX by_category ON requests (category, created_at, request_id);
CREATE INDEX by_urgency ON requests (urgency, created_at, request_id);
CREATE INDEX by_building ON requests (building_id, created_at, request_id);
CREATE INDEX by_resident ON requests (resident_id, created_at, request_id,
    category, trade, urgency, status, resolved_at, breached, escalated);
CREATE INDEX by_topic ON requests (building_id, topic, created_at);
CREATE INDEX open_by_building ON requests (building_id, created_at, is_open) WHERE is_open = 1;
CREATE INDEX attention ON requests (attention_order, created_at, request_id)
    WHERE attention_order IS NOT NULL;
CREATE INDEX attention_by_building ON requests (building_id, attention_order, created_at, request_id)
    WHERE attention_order IS NOT NULL;
CREATE INDEX due ON requests (next_action_at) WHERE next_action_at IS NOT NULL;
CREATE INDEX open_work ON requests (open_crew, urgency) WHERE open_crew IS NOT NULL;

CREATE TABLE events (
    request INTEGER NOT NULL REFERENCES requests,
    sequence INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (request, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    key TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    leased_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB
) STRICT;

CREATE INDEX expiring_keys ON idempotency_keys (expires_at)
"""

VERSION_2 = """
CREATE INDEX open_by_topic ON requests (topic, urgency, breached, status, is_open)
    WHERE is_open = 1 AND topic > '' AND status NOT IN ('Submitted', 'Processing');
CREATE INDEX ended_by_topic ON requests (topic, resolved_at, created_at, breached, is_open)
    WHERE is_open = 0 AND resolved_at IS NOT NULL
"""

VERSION_3 = """
ALTER TABLE requests ADD COLUMN actual_cost_usd REAL;
UPDATE requests SET actual_cost_usd = json_extract(request, '$.resolution.actual_cost_usd')
    WHERE resolved_at IS NOT NULL;
CREATE INDEX spent_by_building ON requests (building_id, category, resolved_at, actual_cost_usd)
    WHERE actual_cost_usd IS NOT NULL
"""

# What a statement names with INDEXED BY keeps its name and its first column, for programs of earlier versions.
# The generated columns hold for rows that such a program wrote, too.
VERSION_4 = """
ALTER TABLE requests ADD COLUMN indexed_version INTEGER;
ALTER TABLE requests ADD COLUMN unit TEXT;
ALTER TABLE requests ADD COLUMN incident_id TEXT;
ALTER TABLE requests ADD COLUMN attention_at INTEGER;
ALTER TABLE requests ADD COLUMN response_breached INTEGER;
ALTER TABLE requests ADD COLUMN reopened INTEGER;
ALTER TABLE requests ADD COLUMN automated INTEGER;
ALTER TABLE requests ADD COLUMN corrected INTEGER;
ALTER TABLE requests ADD COLUMN rating INTEGER;
ALTER TABLE requests ADD COLUMN vector BLOB;
ALTER TABLE requests ADD COLUMN attention_by INTEGER AS (coalesce(attention_at, created_at)) VIRTUAL;
ALTER TABLE requests ADD COLUMN is_stale INTEGER AS (indexed_version IS NOT version) VIRTUAL;
CREATE INDEX stale ON requests (is_stale) WHERE is_stale = 1;
DROP INDEX by_building;
CREATE INDEX by_building ON requests (building_id, created_at, request_id,
    category, urgency, status, resolved_at, breached, response_breached, escalated, reopened, automated, corrected,
    actual_cost_usd, rating, version, indexed_version);
DROP INDEX open_by_building;
CREATE INDEX open_by_building ON requests (building_id, created_at, request_id, is_open) WHERE is_open = 1;
DROP INDEX attention;
CREATE INDEX attention ON requests (attention_order, attention_by, request_id) WHERE attention_order IS NOT NULL;
DROP INDEX attention_by_building;
CREATE INDEX attention_by_building ON requests (building_id, attention_order, attention_by, request_id)
    WHERE attention_order IS NOT NULL;
CREATE INDEX keys_of_resource ON idempotency_keys (resource_id)
"""

SCHEMA = (VERSION_1, VERSION_2, VERSION_3, VERSION_4)
