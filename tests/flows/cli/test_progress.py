"""Progress of a long stage on a console that is not a terminal."""

import pytest

from flows.cli import progress
from flows.cli.progress import follow, followed, newest, reported


def test_the_newest_line_is_printed_when_it_has_changed(tmp_path, capsys):
    """It is not repeated, and other lines of the log are not printed; before the log exists, nothing is."""
    log, looks = tmp_path / "train.log", []

    def ended():
        looks.append(len(looks))
        if len(looks) in {2, 4}:
            with log.open("a") as file:
                file.write(f"epoch {len(looks)} of 9  val/loss 0.5  about 3 min left\na warning\n")
        return len(looks) > 5

    follow("train@script", log, ended)
    assert capsys.readouterr().err.splitlines() == [
        "  train@script: epoch 2 of 9  val/loss 0.5  about 3 min left",
        "  train@script: epoch 4 of 9  val/loss 0.5  about 3 min left",
    ]


def test_a_long_log_is_read_from_its_end(tmp_path):
    """Earlier content is skipped."""
    (tmp_path / "log").write_text("candidate 1 of 6 after 2 s: teacher, float\n" + "x" * 100_000 + "\n")

    assert newest(tmp_path / "log") == ""
    with (tmp_path / "log").open("a") as file:
        file.write("candidate 2 of 6 after 9 s: teacher, static int8 minmax\n")
    assert newest(tmp_path / "log").startswith("candidate 2 of 6")


def test_it_ends_with_the_stage_whatever_becomes_of_it(tmp_path, monkeypatch):
    """No thread is left behind, and a failure is propagated."""
    monkeypatch.setattr(progress, "terminal", lambda: None)
    before = progress.threading.active_count()

    def fails():
        with reported("train@script", tmp_path / "log"):
            assert progress.threading.active_count() == before + 1
            return {}["stage"]

    with pytest.raises(KeyError):
        fails()
    assert progress.threading.active_count() == before


@pytest.mark.parametrize(("progress_of", "threads"), [(reported, 0), (followed, 1)])
def test_on_a_terminal_only_what_is_not_shown_there(tmp_path, monkeypatch, progress_of, threads):
    """The output of a stage is; a training of a search writes to its log alone, so its log is followed."""
    monkeypatch.setattr(progress, "terminal", lambda: progress.print_line)
    before = progress.threading.active_count()
    with progress_of("trial 1", tmp_path / "log"):
        assert progress.threading.active_count() == before + threads
