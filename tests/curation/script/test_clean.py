"""Clean for scripts: other texts, broken, foreign or damaged ones and copies are dropped with a reason."""

import json
import os
import textwrap

import pandas as pd
import pytest

from curation.clean import examine
from curation.errors import DataError, TooManyDropped
from curation.ingest import ingest
from curation.quality.verdicts import hold_losses, pack_kept
from curation.store.index import read_sources
from curation.store.sample_set import APART, SPLITS
from rushes.screenplay.elements import Element
from rushes.screenplay.fountain import parse, write
from tests.support.scripts import FRENCH, plant, scene, script, script_params, typed

PARAMS = script_params()


@pytest.fixture
def folder(tmp_path):
    """Twelve good documents."""
    return plant(tmp_path / "set", 12)


@pytest.fixture
def cleaned(root, folder):
    """Ingests the folder with the planted files; returns clean's findings."""

    def found(params=PARAMS):
        ingest(folder, root, "scripts", params)
        return examine(root, "scripts", params)

    return found


def add(folder, name, elements):
    (folder / name).write_text(write(elements) if isinstance(elements, list) else elements, encoding="utf-8")


def reasons(examined, document):
    return set(examined.table.loc[examined.table["document"] == document, "reason"])


def pack(root, examined, params=PARAMS):
    return pack_kept("scripts", examined, params, root / "build/clean/scripts")


def test_what_is_packed_is_the_text_of_each_scene_in_order(root, cleaned):
    """A document is whole in its split, and every offset points to canonical Fountain."""
    made = pack(root, cleaned())
    rows = pd.concat([made.kept(split) for split in SPLITS])
    texts = [text for split in SPLITS for text in made.texts(split)]

    assert len(rows) == 48
    assert rows.groupby("group")["split"].nunique().max() == 1
    assert all(write(parse(text)) == text for text in texts)
    assert [parse(text)[0].text for text in texts] == list(rows["heading"])
    assert rows.groupby("group")["scene"].apply(list).map(lambda numbers: numbers == [1, 2, 3, 4]).all()
    assert made.text("train").dtype == "uint8"
    assert (rows["cues"] == 6).all()
    assert set(rows["speakers"].iloc[0]) == {"ANNA", "MARK", "THE INSPECTOR", "OLD MAN"}
    assert (made.info["medium"], made.info["labels"]) == ("script", ["no genre"])


def test_other_texts_than_scripts_are_dropped(folder, cleaned):
    """Too few headings, too few cues, a single voice."""
    add(folder, "prose.fountain", [Element("heading", "INT. A - DAY"), *scene(999)[1:]])
    add(folder, "treatment.fountain", [one for one in script(50) if one.kind in {"heading", "action"}])
    add(
        folder,
        "monologue.fountain",
        [Element("character", "ANN") if one.kind == "character" else one for one in script(51)],
    )
    found = cleaned()

    assert [reasons(found, name) for name in ("prose", "treatment", "monologue")] == [{"no script"}] * 3
    assert found.table.loc[found.table["document"] == "treatment", "why"].iloc[0] == "0 cues, min_cues 10"
    assert "1 headings, min_headings 3" in found.table.loc[found.table["document"] == "prose", "why"].iloc[0]
    assert set(found.table["reason"]) == {"", "no script"}


def test_a_scan_with_broken_lines_goes(folder, cleaned):
    """It has an empty line after each line; the same script as it was typed is kept."""
    add(folder, "typed.txt", typed(script(60)))
    lines = (line for text in typed(script(61)).split("\n") for line in textwrap.wrap(text, 40) or [""])
    add(folder, "scan.fountain", "\n\n".join(lines))
    found = cleaned()

    assert (reasons(found, "scan"), reasons(found, "typed")) == ({"broken lines"}, {""})


def test_a_work_in_another_language_is_kept_apart(root, folder, cleaned):
    """It is packed separately, without a split; it is reported, not counted as a loss. The check is off by default."""
    plant(folder, 4, 70, FRENCH)
    params = script_params(clean={"max_dropped_share": 0.1})
    found = cleaned(params)
    hold_losses(found, "scripts", params)
    made = pack(root, found, params)
    apart = made.kept(APART)

    assert (len(apart), set(apart["language"]), set(apart["reason"])) == (16, {"fr"}, {"another language"})
    assert [parse(text)[0].text for text in made.texts(APART)] == list(apart["heading"])
    assert not set(apart["id"]) & {name for split in SPLITS for name in made.kept(split)["id"]}
    assert (made.info["counts"], made.info["findings"]["kept apart"]) == ({}, {"in fr": 16})
    assert found.dropped.empty
    assert set(cleaned(script_params(script={"language": ""})).table["reason"]) == {""}


def test_damaged_letters_cost_their_scene_alone(root, folder, cleaned):
    """Text that ftfy restores is kept; other damaged text is dropped."""
    text = write(script(80))
    lost = text.encode().replace(b"EXT. STREET - DAY\n", b"EXT. STREET - DAY\n\nA caf\x81 on\xe9.\n")
    (folder / "lost.fountain").write_bytes(lost)
    wrong = "\n\nShe said â€œneverâ€? and went.\n\n"  # a byte of a quotation mark became a question mark
    add(folder, "mixed.fountain", write(script(81)).replace("\n\nANNA", f"{wrong}ANNA", 1))
    add(folder, "fixed.fountain", write(script(82)).replace("\n\nANNA", "\n\nDonâ€™t.\n\nANNA", 1))
    found = cleaned()
    made = pack(root, found)

    assert reasons(found, "lost") == {"", "undecodable"}
    assert reasons(found, "mixed") == {"", "mixed encodings"}
    assert reasons(found, "fixed") == {""}
    assert made.info["findings"]["taken out"]["lines in another encoding"] >= 1
    assert "Don\u2019t." in "".join(text for split in SPLITS for text in made.texts(split))


def test_a_scene_in_which_nothing_happens_goes(folder, cleaned):
    """It has a heading and a word."""
    add(folder, "short.fountain", [*script(90), Element("heading", "INT. HALL - DAY"), Element("action", "Dark.")])
    found = cleaned()
    short = found.table[found.table["reason"] == "too short"]

    assert (list(short["heading"]), list(short["why"])) == (
        ["INT. HALL - DAY"],
        ["5 characters of text, min_text_length 20"],
    )


def test_no_scene_stands_on_both_sides_of_the_test(folder, cleaned):
    """The same scene, or nearly the same, in every document: one is kept, in the test split."""
    for seed in range(12):
        twin = scene(7777)
        twin[1] = Element("action", f"{twin[1].text} Number {seed}." if seed else twin[1].text)
        add(folder, f"script {seed}.fountain", [*script(seed), *twin])
    found = cleaned()
    twins = found.table[found.table["scene"] == 5]

    assert list(twins.loc[twins["kept"], "split"]) == ["test"]
    assert set(twins.loc[~twins["kept"], "reason"]) == {"near duplicate"}
    assert set(twins.loc[~twins["kept"], "copy_of"]) == set(twins.loc[twins["kept"], "id"])
    assert found.info["findings"]["near duplicate"]["across splits"] > 0


def test_of_two_drafts_of_one_work_one_is_kept(folder, cleaned):
    """Half of the scenes are new; the same document in another format is an exact copy."""
    add(folder, "draft.fountain", [*script(0)[: 2 * len(scene(0))], *script(95, scenes=2)])
    add(folder, "script 1.txt", typed(script(1)))
    found = cleaned()
    kept = found.table.groupby("document")["kept"].all()

    assert kept["draft"] != kept["script 0"]
    assert reasons(found, "draft") | reasons(found, "script 0") == {"", "another draft"}
    assert list(found.table.loc[found.table["reason"] == "exact duplicate", "document"]) == ["script 1"] * 4
    assert kept.drop(["draft", "script 0", "script 1"]).all()


def test_too_much_lost_names_what_to_change(folder, cleaned):
    """For a set of drafts of one document."""
    for number in range(12):
        add(folder, f"script {number}.fountain", [*scene(50 + number), *script(5)])
    params = script_params(clean={"max_dropped_share": 0.2})
    found = cleaned(params)

    with pytest.raises(TooManyDropped, match="another draft") as caught:
        hold_losses(found, "scripts", params)
    assert "collections.scripts.script.near_document_overlap" in caught.value.remedy


def test_a_draft_that_comes_alone_stops_nothing(root, folder, cleaned):
    """A separate source, all drafts of existing documents, does not stop the stage: no document is lost."""
    rewritten, params = folder.parent / "rewritten", script_params(clean={"max_dropped_share": 0.2})
    rewritten.mkdir()
    for number in range(4):  # of some of them the new draft stays and the old one is dropped
        add(rewritten, f"draft {number}.fountain", [*script(number)[: 3 * len(scene(0))], *script(95, scenes=1)])
    ingest(rewritten, root, "scripts", params)
    found = cleaned(params)
    dropped = found.shown[~found.shown["kept"]]

    assert set(dropped["reason"]) == {"another draft"}
    assert dropped.groupby("source").size().max() > 0.2 * found.shown.groupby("source").size().min()
    hold_losses(found, "scripts", params)


def test_consent_keeps_a_work_back_unread(folder, cleaned):
    """It has a row with the reason, without its text."""
    (folder / "scripts.csv").write_text("path,use\nscript 3.fountain,archive\n", encoding="utf-8")
    found = cleaned()
    kept_back = found.table[found.table["document"] == "script 3"]

    assert list(kept_back["reason"]) == ["not for training"]
    assert list(kept_back["text"]) == [""]
    assert "script 3" not in set(found.shown["document"])


def test_a_damaged_file_is_an_error(root, cleaned):
    """The stage stops with the command that restores it."""
    cleaned()
    file = next((root / "datasets/scripts/set").glob("*.fountain"))
    file.write_bytes(file.read_bytes()[:-10])

    with pytest.raises(DataError, match="hash differs"):
        examine(root, "scripts", PARAMS)


def test_an_unreadable_document_is_reported(root, cleaned):
    """As after the rules have become stricter since its ingest."""
    cleaned()
    rows = read_sources(root, "scripts")
    source = root / "datasets/scripts/set"
    table = pd.read_parquet(source / "index.parquet")
    other = f"{rows['sha256'][0]}.fdx"
    os.rename(source / rows["shard"][0], source / other)  # noqa: PTH104  as a stricter rule would see it
    table.loc[0, "shard"] = other
    table.to_parquet(source / "index.parquet")
    found = examine(root, "scripts", PARAMS)

    assert reasons(found, rows["title"][0]) == {"unreadable"}
    assert "not a complete file of Final Draft" in found.table.loc[found.table["reason"] == "unreadable", "why"].iloc[0]


def test_set_json_lists_every_document(root, folder, cleaned):
    """With the parts removed from each, and its credit line; equal data give equal bytes."""
    add(folder, "script 0.fountain", write(script(0)).replace("\n\nANNA\n", "\n\nANNA (CONT'D)\n"))
    made = pack(root, cleaned())
    before = {file.name: file.read_bytes() for file in made.folder.iterdir()}
    pack(root, examine(root, "scripts", PARAMS))
    output = {one["title"]: one for one in made.info["documents"].values()}

    assert output["script 0"]["taken_out"] == {"MORE and CONT'D": 8}
    assert (output["script 1"]["scenes"], output["script 1"]["kept"]) == (4, 4)
    assert {file.name: file.read_bytes() for file in made.folder.iterdir()} == before
    assert json.dumps(made.info)
