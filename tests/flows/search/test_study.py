"""Storage of studies: a file, or a database whose password stays secret; two searches share no trials."""

import sqlite3
from contextlib import closing
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from common.settings import SearchSettings
from flows.search.study import NUMBER, StorageError, open_study
from rushes.redaction import redact
from tests.support import postgres

SPACE = {"expression.train.dropout": FloatDistribution(0.0, 0.5)}


def study(state, name="expression-1", seed=0, settings=SearchSettings()):  # noqa: B008 - immutable
    """A study of one param."""
    return open_study(settings, state, name, less_is_better=False, epochs=9, distributions=SPACE, seed=seed)


def drawn(one, count=4):
    """Params of the first trials; each has the same figure."""
    values = []
    for _ in range(count):
        trial = one.next_trial({"expression.train.dropout": 0.1})
        values.append(trial.params["expression.train.dropout"])
        one.study.tell(trial.number, 0.5)
    return values


def test_file_in_the_state_folder(tmp_path):
    """Trials of a study are there when it is opened again; another study has its own."""
    drawn(study(tmp_path), 2)

    assert (tmp_path / "search" / "optuna.db").is_file()
    assert list(study(tmp_path).ended()) == [0, 1]
    assert study(tmp_path, "expression-2").ended() == {}


def test_trials_are_a_function_of_the_seed(tmp_path):
    """The same params in the same order, also if each is asked for by a new process; another seed gives others."""
    whole = drawn(study(tmp_path / "whole"))
    parts = [drawn(study(tmp_path / "parts"), 1)[0] for _ in range(4)]

    assert whole[0] == 0.1
    assert len(set(whole)) == len(whole)
    assert parts == whole
    assert drawn(study(tmp_path / "other", seed=1))[1:] != whole[1:]


def test_killed_attempt_counts_for_nothing(tmp_path):
    """The second attempt has its params and its bracket, where the killed one is not compared with anything."""
    one = study(tmp_path)
    drawn(one, 2)
    killed = one.next_trial({})
    killed.report(0.9, 2)
    killed.should_prune()
    assert one.close_killed() == [2]
    again = one.next_trial({})
    again.report(0.9, 2)
    again.should_prune()
    pruner, (first, second) = one.study.pruner, one.attempts(2)
    bracket = pruner._create_bracket_study(one.study, pruner._get_bracket_id(one.study, second))

    assert (first.number, second.number) == (killed.number, again.number) == (2, 3)
    assert second.params == first.params
    assert first.state == TrialState.FAIL
    assert {trial.number for trial in bracket.get_trials()} & {2, 3} == {3}
    assert one.ended().keys() == {0, 1}


def test_brackets_go_by_seed_and_number(tmp_path):
    """Not by the name of the study, which changes with each line of code, nor by the number of the attempt."""
    found = []
    for name, shift in (("a", 0), ("b", 3)):
        pruner = study(tmp_path, name).study.pruner
        pruner._try_initialization(None)
        trials = [SimpleNamespace(user_attrs={NUMBER: number}, number=number + shift) for number in range(12)]
        found.append([pruner._get_bracket_id(SimpleNamespace(study_name=name), trial) for trial in trials])

    assert found[0] == found[1]
    assert len(set(found[0])) > 1


def test_default_outside_the_range(tmp_path):
    """It is trial 0 all the same, and the others lie within."""
    one = study(tmp_path)
    first = one.next_trial({"expression.train.dropout": 0.9})
    one.study.tell(first.number, 0.5)

    assert first.params == {"expression.train.dropout": 0.9}
    assert all(0 <= value <= 0.5 for value in drawn(one, 8))


@pytest.mark.parametrize(
    "url",
    ["postgresql://rushes:hidden-word@127.0.0.1:9/rushes", "nonsense", "sqlite:////no/such/folder/file.db"],
)
def test_storage_that_cannot_be_opened(tmp_path, url):
    """The message names the setting; the password is in no text."""
    with pytest.raises(StorageError) as caught:
        study(tmp_path, settings=SearchSettings(url=url))

    assert "search.url" in caught.value.remedy
    assert study(tmp_path, settings=SearchSettings(url="")).ended() == {}
    assert "hidden-word" not in redact(str(caught.value))
    assert "hidden-word" not in repr(SearchSettings(url=url))


def test_database_of_mlflow_is_refused(tmp_path):
    """Both would keep their versions in one table: nothing is written, and a database of its own is taken."""
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("create table alembic_version (version_num)")
    with pytest.raises(StorageError, match="another program") as caught:
        study(tmp_path, settings=SearchSettings(url=f"sqlite:///{tmp_path}/mlflow.db"))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()

    assert tables == [("alembic_version",)]
    assert "CREATE DATABASE" in caught.value.remedy
    assert study(tmp_path, settings=SearchSettings(url=f"sqlite:///{tmp_path}/optuna.db")).ended() == {}


@pytest.mark.slow
def test_postgresql(tmp_path):
    """With a password of special characters; another process sees the trials."""
    with postgres.serve() as host:
        login = f"{postgres.USER}:{quote(postgres.PASSWORD, safe='')}"
        settings = SearchSettings(url=f"postgresql://{login}@{host}/mlflow")
        whole = drawn(study(tmp_path, settings=settings), 3)
        again = study(tmp_path, settings=settings)

        assert list(again.ended()) == [0, 1, 2]
        assert whole == drawn(study(tmp_path / "file"), 3)
        again.study._storage.remove_session()
