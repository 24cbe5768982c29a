"""`aam node`: what a node needs before Ray starts on it, from one secret of Secrets Manager."""

import argparse
import ipaddress
import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import Field, ValidationError

from core.contract import Contract
from core.errors import ArtefactRefused, Unavailable

NAME = "node"
HELP = "fetch a node's token, certificate and variables before `ray start`"
VALID_FOR = timedelta(days=365)
"""A node lives shorter than that: an update of the cluster replaces it."""
NAMES_OF_VARIABLES = ("AAM_", "RAY_REDIS_", "RAY_external_storage_namespace")
"""What the variables of the secret may begin with."""
INGRESS_PORT = 8000


class NodeSecret(Contract):
    """The secret's text, a JSON object."""

    ray_auth_token: str = Field(min_length=32)
    ca_certificate: str = Field(pattern=r"^-----BEGIN CERTIFICATE-----")
    ca_key: str = Field(pattern=r"^-----BEGIN [A-Z ]*PRIVATE KEY-----")
    """The authority's, by which each node makes a certificate of its own; it is not written to the node."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables for every process, such as `AAM_GEMINI_API_KEY` and `RAY_REDIS_ADDRESS`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = "The secret is a JSON object: " + ", ".join(NodeSecret.model_fields)
    parser.add_argument("--secret", required=True, help="its name or ARN")
    parser.add_argument("--region", required=True)
    parser.add_argument("--folder", required=True, type=Path, help="in memory, such as /dev/shm/aam")
    parser.add_argument("--target-group", help="the ARN of the load balancer's, at which this instance is registered")
    parser.add_argument("--instance", help="this instance's id, with --target-group")


def run(options: argparse.Namespace) -> int:
    """Write the files and say which; the values are never printed."""
    import boto3
    import ray.util

    session: Any = boto3
    endpoint = os.environ.get("AAM_AWS_ENDPOINT_URL")
    try:
        client = session.client("secretsmanager", region_name=options.region, endpoint_url=endpoint)
        secret = parse_secret(client.get_secret_value(SecretId=options.secret)["SecretString"], options.secret)
        address = cast(str, cast(Any, ray.util).get_node_ip_address())
        write_files(secret, options.folder, address, datetime.now(UTC))
        if options.target_group:
            balancer = session.client("elbv2", region_name=options.region, endpoint_url=endpoint)
            register(balancer, options.target_group, options.instance)
    except (BotoCoreError, ClientError) as problem:
        raise Unavailable(f"AWS does not give what this node needs: {problem}") from None
    print(f"{options.folder} holds the token, the certificate and {len(secret.environment)} variables")
    return 0


def parse_secret(text: str, name: str) -> NodeSecret:
    """Raises `ArtefactRefused` with the names of what is missing, and with no value."""
    try:
        secret = NodeSecret.model_validate_json(text)
    except ValidationError as error:
        wrong = (
            f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors(include_input=False)
        )
        raise ArtefactRefused(f"The secret {name} can't be used: {'; '.join(wrong)}.") from None
    strange = sorted(each for each in secret.environment if not each.startswith(NAMES_OF_VARIABLES))
    if strange:
        raise ArtefactRefused(
            f"The secret {name} sets {', '.join(strange)}; only {', '.join(NAMES_OF_VARIABLES)} may be."
        )
    return secret


def write_files(secret: NodeSecret, folder: Path, address: str, now: datetime) -> None:
    """`auth_token`, `ca.crt`, `tls.crt`, `tls.key` and `environment` for a shell, for this user alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = issue_certificate(secret.ca_certificate, secret.ca_key, address, now)
    files = {
        "auth_token": secret.ray_auth_token,
        "ca.crt": secret.ca_certificate,
        "tls.crt": certificate,
        "tls.key": key,
        "environment": _exports(secret.environment),
    }
    for name, content in files.items():
        path = folder / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)


def _exports(environment: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())


def issue_certificate(ca_certificate: str, ca_key: str, address: str, now: datetime) -> tuple[str, str]:
    """A certificate for this address, for both ends of a call, and its key, as PEM.

    Ray calls nodes by their addresses, which the certificate must therefore name. Raises `ArtefactRefused` where the
    authority's halves are unreadable or do not belong together.
    """
    try:
        issuer = x509.load_pem_x509_certificate(ca_certificate.encode())
        authority = load_pem_private_key(ca_key.encode(), password=None)
    except (ValueError, TypeError):
        raise ArtefactRefused("The secret's ca_certificate or ca_key can't be read; give both as PEM.") from None
    if authority.public_key() != issuer.public_key():
        raise ArtefactRefused("The secret's ca_key is not that of its ca_certificate; give two that belong together.")
    key = ec.generate_private_key(ec.SECP256R1())
    names = [
        x509.DNSName("localhost"),
        *(x509.IPAddress(ipaddress.ip_address(each)) for each in {address, "127.0.0.1"}),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(min(now + VALID_FOR, issuer.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .sign(authority, hashes.SHA256())  # pyright: ignore[reportArgumentType] - of a kind that signs, or it was no key
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), private.decode()


def register(balancer: Any, target_group: str, instance: str | None) -> None:
    """Let the load balancer send calls to this instance; it leaves out one that is terminated by itself."""
    if not instance:
        raise ArtefactRefused("--target-group needs --instance; on a node of Ray it is $RAY_CLOUD_INSTANCE_ID.")
    balancer.register_targets(TargetGroupArn=target_group, Targets=[{"Id": instance, "Port": INGRESS_PORT}])
