"""The layout of samples is detected, or given."""

import unicodedata

import pytest

from curation.annotations.layouts import scan
from curation.annotations.path_patterns import compile_layout
from curation.errors import DataError
from curation.intake.candidates import split_of

LABELS = ["happy", "sad", "neutral"]


def plant(folder, *names):
    """Makes empty files: scanning does not open pictures."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def seen(listing):
    """The relevant fields of each candidate."""
    return [(one.path, one.label, one.split, one.performer, one.group) for one in listing.candidates]


def test_class_folders_are_found_out(tmp_path):
    """Spaces and non-Latin letters are accepted; files of the system are skipped."""
    plant(tmp_path, "happy/a b.jpg", "sad/грусть 悲しい.png", ".DS_Store", "__MACOSX/happy/._a.jpg", "happy/Thumbs.db")
    listing = scan(tmp_path, LABELS)

    assert listing.layout == "{label}/*"
    assert seen(listing) == [("happy/a b.jpg", "happy", "", "", ""), ("sad/грусть 悲しい.png", "sad", "", "", "")]
    assert not listing.others


@pytest.mark.parametrize(("given", "meant"), [("Val", "validation"), ("PrivateTest", "test")])
def test_split_folders_are_found_out(tmp_path, given, meant):
    """Kaggle's folders, under any of the usual names, and inside the single folder of an archive."""
    plant(tmp_path, f"archive/{given}/happy/a.jpg", "archive/train/sad/b.jpg")
    listing = scan(tmp_path, LABELS)

    assert listing.layout == "{split}/{label}/*"
    assert [one.split for one in listing.candidates] == [meant, "train"]


def test_a_lone_train_folder_parts_nothing(tmp_path):
    """A note reports that its samples are split; a lone test folder is kept as test."""
    train = scan(plant(tmp_path / "a", "train/happy/a.jpg", "train/sad/b.jpg"), LABELS)
    test = scan(plant(tmp_path / "b", "test/happy/a.jpg", "test/sad/b.jpg"), LABELS)

    assert {(one.label, one.split) for one in train.candidates} == {("happy", ""), ("sad", "")}
    assert "separates nothing" in train.notes[0]
    assert {one.split for one in test.candidates} == {"test"}


@pytest.mark.parametrize(
    ("layout", "path", "found"),
    [
        ("{label}/{performer}/*", "sad/Ann Lee/1.jpg", ("sad", "", "Ann Lee", "")),
        ("{split}/{label}/*", "test/sad/1.jpg", ("sad", "test", "", "")),
        ("{group}/stills/{label}_*.png", "film 1/stills/sad_001.png", ("sad", "", "", "film 1")),
        ("**/{label}/*", "a/b/c/sad/1.jpg", ("sad", "", "", "")),
        ("{performer}-{label}-*", "Ann-sad-03.jpg", ("sad", "", "Ann", "")),
        ("{label}/*/*", "sad/x/1.jpg", ("sad", "", "", "")),
    ],
)
def test_a_pattern_distinguishes_the_fields(tmp_path, layout, path, found):
    """Fields, stars and literal parts."""
    listing = scan(plant(tmp_path, path), LABELS, layout)

    assert seen(listing) == [(path, *found)]


@pytest.mark.parametrize(
    "layout",
    ["{performer}/*", "{label}/{label}/*", "{label}/{actor}/*", "{label}", "/x/{label}/*", "../{label}/*", "{"],
)
def test_an_invalid_layout_is_an_error(layout):
    """Without a label, with an unknown field, or with a path outside."""
    with pytest.raises(DataError, match="is not a layout") as caught:
        compile_layout(layout)

    assert "{label}" in caught.value.remedy


def test_what_does_not_fit_is_separated(tmp_path):
    """An image elsewhere is listed; a file that is not an image is skipped; an empty folder is named."""
    plant(tmp_path, "happy/a.jpg", "b.jpg", "happy/deep/c.jpg", "happy/notes.txt")
    (tmp_path / "sad").mkdir()
    listing = scan(tmp_path, LABELS)

    assert [one.path for one in listing.unrecognised] == ["b.jpg", "happy/deep/c.jpg"]
    assert [one.path for one in listing.others] == ["happy/notes.txt"]
    assert listing.empty == ["sad"]


def test_a_link_to_a_folder_is_not_followed(tmp_path):
    """A link could otherwise lead anywhere, or in circles."""
    plant(tmp_path, "set/happy/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "set" / "sad").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "round").symlink_to(tmp_path / "set")
    listing = scan(tmp_path / "set", LABELS)

    assert {one.path: one.reason for one in listing.unrecognised} == {
        "sad": "leads out of the folder",
        "round": "is a link to a folder",
    }
    assert len(list(listing.candidates)) == 1


def test_a_table_has_all_annotations(tmp_path):
    """samples.csv with every column, separated by semicolons and with a byte order mark, as spreadsheets write it."""
    table = tmp_path / "samples.csv"
    table.write_text(
        "\ufeffpath;label;split;group;performer;use;until;caption;votes\n"
        'a.jpg;happy;val;film;Ann;training;2030-01-31;"one; two";happy:7 sad:3\n',
        encoding="utf-8",
    )
    (one,) = scan(tmp_path, LABELS).candidates

    assert (one.file, one.split, one.until, one.caption) == (tmp_path / "a.jpg", "validation", "2030-01-31", "one; two")
    assert one.votes == {"happy": 7.0, "sad": 3.0}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("b.jpg", "1 values"),
        ("b.jpg,sad,train,2030-01-31,,more", "6 values"),
        ("b.jpg,sad,holdout,,", "unknown split 'holdout'"),
        ("b.jpg,sad,train,31.1.2030,", "31.1.2030"),
        ("b.jpg,sad,train,,lots", "votes 'lots'"),
        ("b.jpg,,train,,", "a path and a label"),
        ("a.jpg,sad,train,,", "line 2 with another label"),
    ],
)
def test_a_bad_row_is_reported_with_its_line(tmp_path, row, why):
    """A short row, a long one, and each invalid value."""
    table = tmp_path / "samples.csv"
    table.write_text(f"path,label,split,until,votes\na.jpg,happy,train,,\n{row}\n", encoding="utf-8")

    with pytest.raises(DataError, match=f"samples.csv, line 3.*{why}"):
        scan(table, LABELS)


def test_a_table_in_another_encoding_is_an_error(tmp_path):
    """The remedy explains how to save it."""
    (tmp_path / "samples.csv").write_bytes("path,label\nfröhlich.jpg,happy\n".encode("latin-1"))

    with pytest.raises(DataError, match="UTF-8"):
        scan(tmp_path, LABELS)


def test_fer2013_as_a_csv_is_streamed(tmp_path):
    """Emotions by index, Usage as split, and the names that FER+ gives the rows."""
    rows = ["3,1 2 3 4,Training", "4,1 2 3 4,PublicTest", "6,1 2 3 4,PrivateTest", "9,1 2 3 4,Training"]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(rows), encoding="utf-8")
    listing = scan(tmp_path, LABELS)
    found = [(one.path, one.label, one.split) for one in listing.candidates]

    assert found == [
        ("fer0000000.png", "happy", "train"),
        ("fer0000001.png", "sad", "validation"),
        ("fer0000002.png", "neutral", "test"),
        ("fer0000003.png", "9", "train"),
    ]


@pytest.mark.parametrize("row", ["3,1 2 3,Training", "3,1 2 3 4", "3,1 2 3 4,Often"])
def test_a_short_row_of_fer2013_is_reported_with_its_line(tmp_path, row):
    """Too few pixels, too few values, no usage."""
    (tmp_path / "fer.csv").write_text(f"emotion,pixels,Usage\n3,1 2 3 4,Training\n{row}\n", encoding="utf-8")

    with pytest.raises(DataError, match=r"fer.csv, line 3"):
        list(scan(tmp_path / "fer.csv", LABELS).candidates)


def test_another_table_is_an_error(tmp_path):
    """The message states that it is not a table."""
    (tmp_path / "prices.csv").write_text("name,price\nx,1\n", encoding="utf-8")

    with pytest.raises(DataError, match="not a table of samples"):
        scan(tmp_path / "prices.csv", LABELS)


def test_an_unknown_split_is_none():
    """An unknown split is distinct from a missing one."""
    assert split_of("") == ""
    assert split_of("holdout") is None


def test_a_table_finds_its_files_however_they_are_written(tmp_path):
    """With a detour, through an absolute link, or in the other normal form of an accent: none is skipped."""
    plant(tmp_path, "set/happy/a.jpg", "set/sad/b.jpg", f"set/sad/{unicodedata.normalize('NFD', 'é')}.jpg")
    (tmp_path / "way").symlink_to(tmp_path / "set")
    rows = ["happy/../sad/b.jpg,sad", f"{tmp_path}/way/happy/a.jpg,happy", "sad/é.jpg,sad"]
    (tmp_path / "set" / "samples.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    listing = scan(tmp_path / "way", LABELS)

    assert [one.path for one in listing.candidates] == ["sad/b.jpg", "happy/a.jpg", "sad/é.jpg"]
    assert all(one.file.is_file() for one in listing.candidates)
    assert listing.others == []


@pytest.mark.parametrize(
    ("layout", "names", "fitting"),
    [
        ("{label}/{performer}/*", ("happy/a.jpg", "sad/b.jpg"), "{label}/*"),
        ("{label}/*", ("ann/happy/a.jpg", "bob/sad/b.jpg"), "{performer}/{label}/*"),
        ("{label}/*", ("happy/ann/1/a.jpg", "sad/bob/2/b.jpg"), "{label}/{performer}/{group}/*"),
        ("{label}/{group}/{performer}/*", ("train/happy/a.jpg", "test/sad/b.jpg"), "{split}/{label}/*"),
    ],
)
def test_a_layout_that_fits_nothing_names_one_that_does(tmp_path, layout, names, fitting):
    """Some files, and a pattern; with that pattern every file is ingested."""
    plant(tmp_path, *names)
    with pytest.raises(DataError, match=names[0]) as caught:
        scan(tmp_path, LABELS, layout)

    assert f"'{fitting}'" in caught.value.remedy
    assert len(scan(tmp_path, LABELS, fitting).candidates) == len(names)


def test_a_layout_of_folders_without_labels_lists_the_labels(tmp_path):
    """No pattern helps if no folder is named like a label."""
    plant(tmp_path, "day 1/a.jpg", "day 2/b.jpg")
    with pytest.raises(DataError, match="no file matches") as caught:
        scan(tmp_path, LABELS, "{label}/{performer}/*")

    assert "happy, sad, neutral" in caught.value.remedy


def test_an_archive_is_not_printed(tmp_path):
    """The message states its type without its bytes."""
    (tmp_path / "set.zip").write_bytes(b"PK\x03\x04\x1b[2J,a,b\n")

    with pytest.raises(DataError, match=r"^set.zip is neither a folder nor a CSV$") as caught:
        scan(tmp_path / "set.zip", LABELS)
    assert "unpack" in caught.value.remedy


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    """At the top and further below; root may read all, so it is simulated."""

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(DataError, match="cannot be read") as caught:
        scan(tmp_path, LABELS)
    assert "allow" in caught.value.remedy
