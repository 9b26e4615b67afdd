"""`rushes pull` against a real MLflow server: SQLite, artifacts proxied, as `make up` starts it."""

import pytest

from rushes.errors import NothingFitsError, RushesError
from rushes.model_updates.choice import choose_model
from rushes.model_updates.follower import Follower
from rushes.pull import http_retry, mlflow_registry
from rushes.pull.pull import pull
from tests.support.mlflow_server import serve
from tests.support.runtime import write_bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server for this file."""
    with serve(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture(scope="module")
def registered(server, tmp_path_factory):
    """Two versions: 1 logged with a run, as `register` does; 2 as a logged model of MLflow 3. 1 is the champion."""
    from mlflow import MlflowClient  # noqa: PLC0415  # takes seconds, and these tests are slow anyway

    client = MlflowClient(tracking_uri=server)
    client.create_registered_model("expression")
    digests = []
    for version, detector in ((1, b"one"), (2, b"two")):
        folder = tmp_path_factory.mktemp("bundle")
        digests.append(write_bundle(folder, detector))
        run = client.create_run("0")
        if version == 1:
            client.log_artifacts(run.info.run_id, str(folder), "bundle")
            source, model_id = f"{run.info.artifact_uri}/bundle", None
        else:
            model = client.create_logged_model("0", source_run_id=run.info.run_id)
            client.log_model_artifacts(model.model_id, str(folder))
            source, model_id = f"models:/{model.model_id}", model.model_id
        tags = {"rushes.digest": digests[-1]}
        client.create_model_version("expression", source, run.info.run_id, tags=tags, model_id=model_id)
        client.set_terminated(run.info.run_id)
    client.set_registered_model_alias("expression", "champion", "1")
    return server, digests


@pytest.mark.parametrize(("wanted", "version"), [("expression@champion", 1), ("expression@1", 1), ("expression@2", 2)])
def test_pull_from_a_real_server(registered, tmp_path, wanted, version):
    """By alias and by version, from a run's artifacts and from a logged model's."""
    server, digests = registered
    pulled = pull(wanted, server, tmp_path / "models")

    assert (pulled.version, pulled.digest) == (version, digests[version - 1])
    assert (pulled.folder / "certificate.json").is_file()


def test_an_alias_of_a_real_server_is_followed(registered, tmp_path, monkeypatch):
    """Promotion and rollback reach a capture with the next look; graphs are proved here, as on a set."""
    from mlflow import MlflowClient  # noqa: PLC0415  # as above

    server, digests = registered
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "store"))
    chosen = choose_model("expression", "expression@champion", server)
    follower = Follower(chosen.followed, chosen.bundle, lambda *_: str, print)
    taken = [chosen.bundle.digest]
    for version in ("1", "2", "1"):
        MlflowClient(tracking_uri=server).set_registered_model_alias("expression", "champion", version)
        follower.poll()
        candidate = follower.take()
        taken.append(candidate and candidate.bundle.digest)

    assert taken == [digests[0], None, digests[1], digests[0]]
    assert follower.note == ""


@pytest.mark.parametrize("wanted", ["expression@staging", "expression@9"])
def test_a_real_server_without_it(registered, tmp_path, wanted):
    """Responses of MLflow for an unknown alias and an unknown version are understood."""
    with pytest.raises(NothingFitsError, match=r"there: 1, 2\. Take one: rushes pull expression@2"):
        pull(wanted, registered[0], tmp_path / "models")
    with pytest.raises(NothingFitsError, match="has no model 'scene'"):
        pull("scene", registered[0], tmp_path / "models")


def test_a_real_server_that_lost_a_file(registered, tmp_path, monkeypatch):
    """A file deleted behind the registry's back is a failure with the file's name, and nothing is left in the store."""
    monkeypatch.setattr(http_retry, "PAUSES_S", ())
    monkeypatch.setattr(
        mlflow_registry.MlflowRegistry, "files", lambda *_: {"manifest.json", "certificate.json", "lost.onnx"}
    )
    real = mlflow_registry.MlflowRegistry.chunks
    monkeypatch.setattr(
        mlflow_registry.MlflowRegistry,
        "chunks",
        lambda self, offer, name, most: real(self, offer, name.replace("expression", "lost"), most),
    )

    with pytest.raises(RushesError, match=r"lost\.onnx"):
        pull("expression@1", registered[0], tmp_path / "models")
    assert not [path for path in (tmp_path / "models/expression").iterdir() if not path.name.startswith(".")]
