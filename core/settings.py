"""Settings from the environment (prefix `AAM_`), the same names in every process."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ArtefactRefused


class Settings(BaseSettings):
    """Where state lives, who may call and how long things may take."""

    model_config = SettingsConfigDict(env_prefix="AAM_", frozen=True, extra="ignore")

    state_dir: Path = Path("var")
    """Databases, keys and logs; survives a restart."""
    artefacts_dir: Path = Path("var/artefacts")
    """What `python -m aam build` makes: the embedder, the models, the knowledge-base index."""
    s3_endpoint_url: str | None = Field(default=None, pattern=r"^https?://")
    """Where S3's protocol is spoken for models in `s3://`; None for AWS's own service."""
    chroma_url: str | None = Field(default=None, pattern=r"^https?://")
    """A Chroma server that searches the knowledge base's vectors; None for an index within each process."""
    environment: Literal["development", "production"] = "development"
    """`production` refuses what is for development only, such as `auth_mode` local."""
    store: Literal["sqlite", "dynamodb"] = "sqlite"
    """Where requests and documents are kept."""
    dynamodb_table: str = Field(default="aam_requests", pattern=r"^[A-Za-z0-9_.-]{3,200}$")
    """The requests' table; the names of the others begin with it."""
    aws_endpoint_url: str | None = Field(default=None, pattern=r"^https?://")
    """Where the protocols of DynamoDB and SQS are spoken; None for AWS's own services."""
    aws_region: str = "us-east-1"
    queue: Literal["sqlite", "sqs"] = "sqlite"
    """Where commands, news and outgoing events wait; SQS where Execution runs on more machines than one."""
    sqs_queue_prefix: str = Field(default="aam", pattern=r"^[A-Za-z0-9_-]{1,60}$")
    """The names of the queues in SQS begin with it."""
    attachments_bucket: str | None = None
    """An S3 bucket for residents' files; None for a folder of the state directory."""
    attachment_limit_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    rate_limit_resident: str = "60/minute"
    """Calls that change something, by one person."""
    rate_limit_address: str = "600/minute"
    """Calls from one address, whoever they are."""
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    """How many proxies in front of this one add to `X-Forwarded-For`; 0 where callers connect themselves."""
    cors_origins: tuple[Annotated[str, StringConstraints(pattern=r"^https?://[^*/\s]+$")], ...] = ()
    """Web pages' origins that may call from a browser, as a JSON list; none by default, and never all."""
    auth_mode: Literal["local", "oidc"] = "local"
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_jwks_url: str | None = None
    """Where the issuer's keys are; None to ask the issuer's OpenID configuration."""
    oidc_client_id: str | None = None
    """As what the pages are registered at the issuer; people sign in there with `public_url` set besides."""
    oidc_client_secret: SecretStr | None = None
    """None for a public client, which PKCE alone protects."""
    oidc_scopes: str = Field(default="openid profile", pattern=r"^([!-~]+ )*openid( [!-~]+)*$")
    """What the pages ask the issuer for; with `offline_access` some issuers give what renews a session."""
    gemini_api_key: SecretStr | None = None
    """With it, Gemini gives second opinions and words answers; without it, everything works offline."""
    gemini_model: str = Field(default="gemini-3.5-flash-lite", pattern=r"^[a-z0-9][a-z0-9.-]{0,80}$")
    gemini_base_url: str | None = None
    """Where Gemini's REST protocol is spoken; None for Google's own service."""
    gemini_deadline_s: float = Field(default=4.0, gt=0)
    """For one question with all its tries; never more than half of what its service may take."""
    gemini_attempts: int = Field(default=3, ge=1)
    gemini_tokens_per_hour: int = Field(default=1_000_000, ge=0)
    """Input and output together, over a moving hour."""
    gemini_usd_per_hour: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    gemini_usd_per_million_input_tokens: float = Field(default=0.30, ge=0.0, allow_inf_nan=False)
    gemini_usd_per_million_output_tokens: float = Field(default=2.50, ge=0.0, allow_inf_nan=False)
    gemini_breaker_failures: int = Field(default=5, ge=1)
    """After so many failed tries in a row, Gemini is left alone."""
    gemini_breaker_reset_s: float = Field(default=30.0, gt=0)
    """So long; then a single call tries it."""
    redis_url: str | None = Field(default=None, pattern=r"^rediss?://")
    """Where replicas share the language model's budget; without it, each replica has a budget of its own."""
    llm_confidence_floor: float = Field(default=0.55, ge=0.0, le=1.0)
    """Below this confidence of the local model, the language model is asked."""
    assess_timeout_s: float = Field(default=8.0, gt=0)
    resolve_timeout_s: float = Field(default=8.0, gt=0)
    pipeline_lease_s: float = Field(default=15.0, gt=0)
    """How long one process may hold a request's pipeline before another takes it over."""
    pipeline_attempts: int = Field(default=4, ge=1)
    """After so many failed tries, a request goes to `NeedsReview`."""
    sweep_interval_s: float = Field(default=1.0, gt=0)
    queue_visibility_s: float = Field(default=30.0, gt=0)
    public_url: str | None = Field(default=None, pattern=r"^https?://")
    """Where people reach this service, for links in mails; None for mails without links."""
    ray_dashboard_url: str | None = Field(default=None, pattern=r"^https?://")
    """Where operators reach Ray's dashboard, for a link; None for its usual place in development, and for no link in
    production."""
    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^?#]+$")
    """Where traces go (OTLP over HTTP, such as http://127.0.0.1:4318); None to trace nothing."""
    trace_sampling_ratio: float | None = Field(default=None, ge=0.0, le=1.0)
    """The share of calls whose whole trace is kept; None for all in development and one in ten in production. Spans
    that fail are kept in any case."""
    trust_traceparent: bool = False
    """Whether a caller's `traceparent` is continued: only behind a gateway that sets it or takes it off."""
    prometheus_url: str | None = Field(default=None, pattern=r"^https?://")
    """A Prometheus server whose metrics `aam observe` shows; None to start one on this machine."""
    systems_file: Path | None = None
    """Which outside systems there are (YAML, see docs/systems.md); None to do everything on the operations desk."""
    execution_attempts: int = Field(default=6, ge=1)
    """After so many failed tries of one step, its execution is dead-lettered."""
    execution_retry_s: float = Field(default=2.0, gt=0)
    """The first pause between tries; it doubles."""
    execution_horizon_s: float = Field(default=86_400.0, gt=0)
    """A command that is older than this is given up, however few its tries."""
    emergency_patience_s: float = Field(default=120.0, gt=0)
    """An emergency's command that has not succeeded after so long is told to staff, while its tries go on."""
    time_zone: str = "America/New_York"
    """The portfolio's time zone (IANA): of the crews' shifts, and of buildings for which no document states one."""
    waiting_refresh_s: float = Field(default=30.0, gt=0)
    """How often the waiting times of the crews are brought up to date with the backlog."""
    concurrent_calls: int = Field(default=400, ge=1)
    """Calls that one ingress replica takes at once; more are answered 429."""
    concurrent_streams: int = Field(default=200, ge=1)
    """Live timelines that one ingress replica keeps open at once, beside those calls; more are answered 429."""
    body_limit_bytes: int = Field(default=262_144, ge=1024)

    @property
    def opinion_deadline_s(self) -> float:
        """How long a message may wait for a second opinion."""
        return min(self.gemini_deadline_s, self.assess_timeout_s / 2)

    @property
    def answer_deadline_s(self) -> float:
        """How long a question may wait for its answer's wording."""
        return min(self.gemini_deadline_s, self.resolve_timeout_s / 2)

    @property
    def dashboard_url(self) -> str | None:
        """Where Ray's dashboard is; None where nobody said."""
        usual = "http://127.0.0.1:8265" if self.environment == "development" else None
        return self.ray_dashboard_url or usual

    @property
    def traced_share(self) -> float:
        """The share of calls whose whole trace is kept."""
        usual = 1.0 if self.environment == "development" else 0.1
        return usual if self.trace_sampling_ratio is None else self.trace_sampling_ratio

    @property
    def database(self) -> Path:
        """The store's SQLite file."""
        return self.state_dir / "requests.sqlite3"

    @property
    def artefact_cache(self) -> Path:
        """Models that were fetched from S3."""
        return self.state_dir / "artefact-cache"

    @property
    def documents_database(self) -> Path:
        """The documents' SQLite file."""
        return self.state_dir / "documents.sqlite3"

    @property
    def attachments_folder(self) -> Path:
        """Residents' files, where there is no bucket."""
        return self.state_dir / "attachments"

    @property
    def url_key(self) -> Path:
        """The key that signs addresses of attachments in a folder."""
        return self.state_dir / "url_signing_key"

    @property
    def queue_database(self) -> Path:
        """The queues' SQLite file."""
        return self.state_dir / "queues.sqlite3"

    @property
    def execution_database(self) -> Path:
        """The execution log's SQLite file."""
        return self.state_dir / "executions.sqlite3"

    @property
    def desk_database(self) -> Path:
        """The operations desk's SQLite file, which holds notifications too."""
        return self.state_dir / "desk.sqlite3"

    @property
    def notice_key(self) -> Path:
        """The key that signs links in mails; on several nodes the same file has to be on each."""
        return self.state_dir / "notice_key"

    @property
    def local_key(self) -> Path:
        """The signing key of mode `local`."""
        return self.state_dir / "local_token_key"


ROOT = Path(__file__).resolve().parent.parent
"""The folder that relative paths start from, so that they mean the same in every process."""


def require_safe(settings: Settings) -> None:
    """Raises `ArtefactRefused` in production for what is for development, and for mode `oidc` without an issuer."""
    issuer, keys = settings.oidc_issuer, settings.oidc_jwks_url
    if settings.auth_mode == "local":
        if settings.environment == "production":
            raise ArtefactRefused(
                "AAM_ENVIRONMENT=production refuses AAM_AUTH_MODE=local, whose key lies on this machine; "
                "set AAM_AUTH_MODE=oidc with AAM_OIDC_ISSUER and AAM_OIDC_AUDIENCE."
            )
        return
    if not (issuer and settings.oidc_audience):
        raise ArtefactRefused("AAM_AUTH_MODE=oidc needs AAM_OIDC_ISSUER and AAM_OIDC_AUDIENCE.")
    if settings.environment == "production" and not all(url.startswith("https://") for url in (issuer, keys) if url):
        raise ArtefactRefused("In production AAM_OIDC_ISSUER and AAM_OIDC_JWKS_URL begin with https://.")


def load_settings(*, state_dir: Path | None = None, artefacts_dir: Path | None = None) -> Settings:
    """The settings of the environment with absolute paths; an argument takes the place of the environment's."""
    settings = Settings()
    state = ROOT / (state_dir or settings.state_dir)
    artefacts = ROOT / (artefacts_dir or settings.artefacts_dir)
    return settings.model_copy(update={"state_dir": state, "artefacts_dir": artefacts})
