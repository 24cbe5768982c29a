"""Artefacts from folders and from S3: only one that is whole, unaltered and made for this code is opened."""

import hashlib
import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from adapters.artefact_s3 import KEPT, S3Artefacts
from adapters.artefact_source import ArtefactSource, Expected, OpenedArtefact
from adapters.artefacts import MANIFEST, BuildReport, Manifest, build_once, version_of
from core.errors import ArtefactRefused, Unavailable
from core.models_config import Source

FEATURES = ("words", "hour")
LABELS = {"category": ("Billing", "Other")}
EXPECTED = Expected("risk", FEATURES, LABELS)
Fetch = Callable[..., OpenedArtefact]


def make(folder: Path, content: str = "trees", **more: Any) -> Manifest:
    def write(scratch: Path) -> BuildReport:
        (scratch / "boosters").mkdir()
        (scratch / "boosters" / "a.ubj").write_text(content)
        (scratch / "specification.json").write_text("{}")
        return BuildReport(built_with={"xgboost": "3"}, **{"features": FEATURES, "labels": LABELS, **more})

    return build_once(folder, "risk", content, write)


def rewrite(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text()) | changes
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3(moto: str, credentials: None) -> Iterator[Any]:
    client = boto3.client("s3", endpoint_url=moto)
    client.create_bucket(Bucket="models")
    yield client
    for each in client.list_objects_v2(Bucket="models").get("Contents", ()):
        client.delete_object(Bucket="models", Key=each["Key"])
    client.delete_bucket(Bucket="models")


def upload(s3: Any, folder: Path) -> None:
    for each in s3.list_objects_v2(Bucket="models").get("Contents", ()):
        s3.delete_object(Bucket="models", Key=each["Key"])
    for file in folder.rglob("*"):
        if file.is_file():
            s3.upload_file(str(file), "models", f"risk/v2/{file.relative_to(folder).as_posix()}")


@pytest.fixture(params=["folder", "s3"])
def fetch(request: pytest.FixtureRequest, tmp_path: Path) -> Fetch:
    """Opens what lies in `artefacts/risk`, in place or by way of S3."""
    artefacts = tmp_path / "artefacts"
    if request.param == "folder":
        local = ArtefactSource(artefacts, S3Artefacts(tmp_path / "cache"))
        return lambda pin="": local.open(Source.parse(f"risk{pin}"), EXPECTED)
    client, endpoint = request.getfixturevalue("s3"), request.getfixturevalue("moto")
    remote = ArtefactSource(tmp_path / "none", S3Artefacts(tmp_path / "cache", endpoint_url=endpoint))

    def by_s3(pin: str = "") -> OpenedArtefact:
        upload(client, artefacts / "risk")
        return remote.open(Source.parse(f"s3://models/risk/v2{pin}"), EXPECTED)

    return by_s3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artefacts" / "risk"


def test_a_sound_artefact_is_opened(fetch: Fetch, folder: Path) -> None:
    manifest = make(folder)
    opened = fetch()
    assert opened.manifest == manifest
    assert (opened.folder / "boosters" / "a.ubj").read_text() == "trees"
    assert fetch(f"#{manifest.version}").manifest == manifest


def test_another_version_than_the_pinned_is_refused(fetch: Fetch, folder: Path) -> None:
    version = make(folder).version
    make(folder, content="other trees")
    with pytest.raises(ArtefactRefused, match="holds version"):
        fetch(f"#{version}")


def flip(folder: Path) -> None:
    file = folder / "boosters" / "a.ubj"
    content = bytearray(file.read_bytes())
    content[2] ^= 1
    file.write_bytes(content)


def other_version(folder: Path) -> None:
    """The file and its hash are altered together, but the version is kept."""
    flip(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["boosters/a.ubj"] = hashlib.sha256((folder / "boosters" / "a.ubj").read_bytes()).hexdigest()
    rewrite(folder, files=manifest["files"])


def leading_out(path: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder.parent / "secret").write_text("{}")
        files = json.loads((folder / MANIFEST).read_text())["files"]
        files[path] = files["specification.json"]
        rewrite(folder, files=files, version=version_of(files))

    return change


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "a flipped bit": flip,
    "a hash that was altered with its file": other_version,
    "a missing file": lambda folder: (folder / "specification.json").unlink(),
    "a file too many": lambda folder: (folder / "boosters" / "z.ubj").write_text("more"),
    "no manifest": lambda folder: (folder / MANIFEST).unlink(),
    "half a manifest": lambda folder: (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes()[:-40]),
    "an unknown key": lambda folder: rewrite(folder, loader="pickle"),
    "another artefact": lambda folder: rewrite(folder, name="text"),
    "other features": lambda folder: rewrite(folder, features=["words"]),
    "features in another order": lambda folder: rewrite(folder, features=["hour", "words"]),
    "other labels": lambda folder: rewrite(folder, labels={"category": ["Other", "Billing"]}),
    "a further head": lambda folder: rewrite(folder, labels={**LABELS, "mood": ["Angry"]}),
    "a path upwards": leading_out("../secret"),
    "a path upwards from below": leading_out("boosters/../../secret"),
    "an absolute path": leading_out("/etc/hostname"),
    "a path with backslashes": leading_out("..\\secret"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_what_is_not_as_its_manifest_says_is_refused(fetch: Fetch, folder: Path, damage: Callable[[Path], Any]) -> None:
    make(folder)
    damage(folder)
    with pytest.raises(ArtefactRefused):
        fetch()


def test_a_manifest_that_names_no_features_is_left_to_the_model(fetch: Fetch, folder: Path) -> None:
    make(folder, features=(), labels={})
    assert fetch().manifest.features == ()


def test_nothing_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactRefused, match="no risk artefact"):
        ArtefactSource(tmp_path, S3Artefacts(tmp_path)).open(Source("risk"), EXPECTED)


@pytest.fixture
def remote(tmp_path: Path, folder: Path, s3: Any, moto: str) -> S3Artefacts:
    make(folder)
    upload(s3, folder)
    return S3Artefacts(tmp_path / "cache", endpoint_url=moto)


PLACE = Source.parse("s3://models/risk/v2")


def test_a_second_opening_downloads_the_manifest_alone(
    remote: S3Artefacts, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = remote.fetch(PLACE, EXPECTED)
    s3.delete_object(Bucket="models", Key="risk/v2/specification.json")
    assert remote.fetch(PLACE, EXPECTED) == first


def test_a_copy_that_was_altered_on_disk_is_fetched_anew(remote: S3Artefacts) -> None:
    opened = remote.fetch(PLACE, EXPECTED)
    flip(opened.folder)
    again = remote.fetch(PLACE, EXPECTED)
    assert again.folder == opened.folder
    assert (again.folder / "boosters" / "a.ubj").read_text() == "trees"


def test_a_refused_download_leaves_nothing_behind(remote: S3Artefacts, s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket="models", Key="risk/v2/boosters/a.ubj", Body=b"tampered")
    with pytest.raises(ArtefactRefused, match="not what its manifest says"):
        remote.fetch(PLACE, EXPECTED)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_old_versions_are_forgotten(remote: S3Artefacts, s3: Any, folder: Path, tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        make(folder, content=f"trees {number}")
        upload(s3, folder)
        last = remote.fetch(PLACE, EXPECTED)
    (kept,) = (tmp_path / "cache").iterdir()
    assert len(list(kept.iterdir())) == KEPT
    assert last.folder.exists()


@pytest.mark.parametrize("place", ["s3://models/nowhere", "s3://no-such-bucket/risk"])
def test_what_is_not_there_is_refused(remote: S3Artefacts, place: str) -> None:
    with pytest.raises(ArtefactRefused, match="NoSuch"):
        remote.fetch(Source.parse(place), EXPECTED)


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_store_that_is_down_is_unavailable_but_for_a_pinned_copy(remote: S3Artefacts, tmp_path: Path) -> None:
    opened = remote.fetch(PLACE, EXPECTED)
    down = S3Artefacts(tmp_path / "cache", endpoint_url=closed_port(), timeout_s=0.5)
    with pytest.raises(Unavailable):
        down.fetch(PLACE, EXPECTED)
    pinned = Source(PLACE.location, opened.manifest.version)
    assert down.fetch(pinned, EXPECTED) == opened
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(Unavailable):
        down.fetch(pinned, EXPECTED)


def test_a_store_that_says_nothing_is_given_up(tmp_path: Path, credentials: None) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable):
            S3Artefacts(tmp_path, endpoint_url=endpoint, timeout_s=0.3).fetch(PLACE, EXPECTED)
