"""Names of people stay on this machine."""

import stat

import pytest

from curation.errors import DataError
from curation.intake.pseudonyms import People


def test_a_person_keeps_their_id(tmp_path):
    """Through the key file, in every spelling of the name; an id is kept as it is."""
    people = People.load(tmp_path, "faces")
    key = people.id_of("Ann  Lee")
    people.save()
    again = People.load(tmp_path, "faces")

    assert again.id_of("ann lee") == again.id_of(str(key)) == key
    assert again.id_of("Bob") != key
    assert again.id_of(" ") is None


def test_invented_people_have_the_same_ids_everywhere(tmp_path):
    """Otherwise each machine would have a different starter set; and they are not secret."""
    first, second = (People.load(tmp_path / place, "faces", invented=True) for place in ("a", "b"))
    first.save()

    assert first.id_of("Face 1") == second.id_of("Face 1") != second.id_of("Face 2")
    assert not first.file.exists()


def test_the_key_file_is_private(tmp_path):
    """Readable by its owner alone, and git ignores its folder."""
    people = People.load(tmp_path, "faces")
    people.id_of("Ann")
    people.save()

    assert stat.S_IMODE(people.file.stat().st_mode) == 0o600
    assert (tmp_path / "keys" / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_names_are_masked(tmp_path):
    """As whole words for all, inside words for the person concerned; without a name, the text is unchanged."""
    people = People.load(tmp_path, "faces")
    ann, strauss = people.id_of("Ann Lee"), people.id_of("Strauß")
    mask = people.masker()

    assert mask("sad/Ann_Lee_01.jpg", "") == f"sad/{ann}_01.jpg"
    assert mask("sad/myannlee.jpg", "Ann Lee") == f"sad/my{ann}.jpg"
    assert mask("sad/STRAUSS/1.jpg", "") == f"sad/{strauss}/1.jpg"
    assert mask("sad/Annleena.jpg", "") == "sad/Annleena.jpg"


@pytest.mark.parametrize("text", ["id;name\np-1;ann\n", "id,name\n,ann\n", "id,name\np-00000001,zo\xeb\n"])
def test_a_damaged_key_file_is_an_error(tmp_path, text):
    """New ids would separate people from their own pictures; the file is not overwritten."""
    (tmp_path / "keys").mkdir()
    file = tmp_path / "keys" / "faces.csv"
    file.write_bytes(text.encode("latin-1"))

    with pytest.raises(DataError, match=r"faces\.csv") as caught:
        People.load(tmp_path, "faces")
    copy = f"{caught.value.remedy.rpartition(' is ')[2]}\np-00000001,ann\n"
    file.write_text(copy, encoding="utf-8")
    assert People.load(tmp_path, "faces")


def test_no_two_people_share_an_id(tmp_path, monkeypatch):
    """In ten thousand, a collision would be likely."""
    drawn = iter(["00000001", "00000001", "00000002"])
    monkeypatch.setattr("curation.intake.pseudonyms.secrets.token_hex", lambda _: next(drawn))
    people = People.load(tmp_path, "faces")

    assert [people.id_of("Ann"), people.id_of("Bob")] == ["p-00000001", "p-00000002"]
