"""The list of families: a new one is one import and one name here."""

from models.expression import family as expression
from models.family import Family
from models.scene import family as scene
from models.script import family as script

FAMILIES: tuple[Family, ...] = (expression, scene, script)


def by_name(name: str) -> Family:
    """The family of that name.

    Raises:
        KeyError: There is none; the message names those there are.
    """
    families = {family.name: family for family in FAMILIES}
    if name not in families:
        message = f"no family {name!r}; there are: {', '.join(families)}"
        raise KeyError(message)
    return families[name]
