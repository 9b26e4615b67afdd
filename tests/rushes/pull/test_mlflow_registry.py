import pytest

from rushes.errors import MisuseError, NothingFitsError, RushesError
from rushes.pull import http_retry
from rushes.pull.mlflow_registry import MlflowRegistry, open_registry
from rushes.pull.selection import Wanted, parse_wanted
from tests.support.runtime import NETWORK


def _silent(_):
    pass


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("expression", Wanted("expression")),
        ("expression@champion", Wanted("expression", "champion")),
        ("expression@7", Wanted("expression", "", 7)),
        ("expression@v7", Wanted("expression", "", 7)),
    ],
)
def test_parse_wanted(text, wanted):
    """A model is given with an alias, a version, or neither."""
    assert parse_wanted(text) == wanted


@pytest.mark.parametrize("text", ["", "@7", "a b", "expression@", "../x@1", "a@b@c"])
def test_parse_wanted_refuses(text):
    """Anything else is misuse, and the message shows the syntax."""
    with pytest.raises(MisuseError, match="expression@champion"):
        parse_wanted(text)


@pytest.mark.parametrize("registry", ["ftp://host", "/nowhere/at/all", "sqlite:///mlflow.db"])
def test_a_registry_is_a_url_or_a_folder(registry):
    """Anything else is misuse."""
    with pytest.raises(MisuseError, match="neither a folder here nor a URL"):
        open_registry(registry, _silent)


@pytest.mark.parametrize(
    "source",
    [
        "mlflow-artifacts:/1/run{version}/artifacts/bundle",
        "{url}/api/2.0/mlflow-artifacts/artifacts/1/run{version}/artifacts/bundle",
        "s3://bucket/1/run{version}/artifacts/bundle",  # the server fetches these itself
    ],
)
def test_every_form_of_source_is_found(mlflow, source):
    """A version's files are reached in every format of MLflow's source."""
    mlflow.source = source.replace("{url}", mlflow.url)
    registry = MlflowRegistry(mlflow.url, _silent)
    offer = registry.find(parse_wanted("expression"))

    assert b"".join(registry.chunks(offer, "detector.tflite", 1 << 20)) == NETWORK
    assert (offer.version, offer.alias) == (7, "champion")


def test_a_logged_model_is_resolved(mlflow, monkeypatch):
    """MLflow 3 writes models:/m-ID, which the server resolves."""
    answer, uri = mlflow.answer, "mlflow-artifacts:/1/run7/artifacts"
    found = mlflow._json({"model": {"info": {"artifact_uri": uri}}})
    monkeypatch.setattr(
        mlflow,
        "answer",
        lambda path, query: found if "logged-models/m-1" in path else answer(path, query),
    )
    mlflow.source = "models:/m-1/bundle"
    registry = MlflowRegistry(mlflow.url, _silent)

    assert registry.find(parse_wanted("expression@7")).place.endswith("artifacts/1/run7/artifacts/bundle")


def test_unknown_names_list_what_there_is(mlflow):
    """For an unknown alias or version the error lists the existing versions; an unknown model has its own message."""
    registry = MlflowRegistry(mlflow.url, _silent)
    for text in ("expression@staging", "expression@9"):
        with pytest.raises(NothingFitsError, match=r"there: 7\. Take one: rushes pull expression@7 --registry http"):
            registry.find(parse_wanted(text))
    mlflow.versions = {}

    with pytest.raises(NothingFitsError, match="has no model 'scene'"):
        registry.find(parse_wanted("scene"))


def test_a_rejected_version_is_known_as_such(mlflow):
    """A rolled back version has time and reason, alone or in the list of all."""
    mlflow.tags = {"rushes.rejected": "2031-05-01T12:00", "rushes.rejected_why": "reads every face as sad"}
    mlflow.tags["rushes.digest"] = "f" * 64
    registry = MlflowRegistry(mlflow.url, _silent)

    found = registry.find(parse_wanted("expression@7"))
    assert str(found.rejected) == "was rolled back on 2031-05-01: reads every face as sad"
    assert registry.rejections("expression") == {"f" * 12: found.rejected}


def test_a_busy_server_is_asked_again(mlflow):
    """Two responses of 503 are retried, and each is logged."""
    mlflow.busy, messages = 2, []
    offer = MlflowRegistry(mlflow.url, messages.append).find(parse_wanted("expression"))

    assert offer.version == 7
    assert len(messages) == 2
    assert "it responds with status 503" in messages[0]


def test_a_server_that_stays_away_is_named(monkeypatch):
    """Nothing listens there: the error has the reason and a remedy."""
    monkeypatch.setattr(http_retry, "PAUSES_S", (0,))

    with pytest.raises(RushesError, match=r"127\.0\.0\.1:9 cannot be reached: Connection refused.*make up"):
        MlflowRegistry("http://127.0.0.1:9", _silent).find(parse_wanted("expression"))


def test_credentials_come_from_mlflows_variables(mlflow, monkeypatch):
    """Without them the error names the variables; with them it works; a password in the URL is never repeated."""
    mlflow.authorization = "Bearer secret"
    with pytest.raises(RushesError, match=r"responds with status 401.*MLFLOW_TRACKING_USERNAME") as caught:
        MlflowRegistry(mlflow.url.replace("http://", "http://me:quiet@"), _silent).find(parse_wanted("expression"))
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")

    assert "quiet" not in str(caught.value)
    assert MlflowRegistry(mlflow.url, _silent).find(parse_wanted("expression")).version == 7


def test_credentials_go_to_no_other_host(mlflow, monkeypatch):
    """The token is not sent if a version's source names another server."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    registry = MlflowRegistry("http://127.0.0.1:9", _silent)
    mlflow.authorization = "Bearer"

    with pytest.raises(RushesError, match="responds with status 401"):
        registry._reply(f"{mlflow.url}/api/2.0/mlflow/model-versions/get")


def test_credentials_go_over_no_other_scheme(mlflow, monkeypatch):
    """For a registry under TLS, a source with the same host but without TLS does not get the token."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    mlflow.authorization = "Bearer"
    path = "/api/2.0/mlflow/model-versions/get?name=expression&version=7"

    assert MlflowRegistry(mlflow.url, _silent)._reply(mlflow.url + path).ok
    with pytest.raises(RushesError, match="responds with status 401"):
        MlflowRegistry(mlflow.url.replace("http://", "https://"), _silent)._reply(mlflow.url + path)


@pytest.mark.parametrize("answer", [(200, b"<html>log in</html>"), (404, b'{"detail": "Not Found"}')])
def test_another_server_is_recognised(mlflow, monkeypatch, answer):
    """An HTML page is not a registry, nor is the address of Prefect, which responds in JSON."""
    monkeypatch.setattr(mlflow, "answer", lambda *_: answer)

    with pytest.raises(RushesError, match="does not respond as MLflow does"):
        MlflowRegistry(mlflow.url, _silent).find(parse_wanted("expression"))
