"""Words of stories in other languages."""

# ruff: noqa: RUF001 - they have letters of their own

from __future__ import annotations

from dataclasses import replace

from benchmarks.typed_screenplays.story import Words

RUSSIAN = Words(
    names=("АННА", "МАРК", "СТАРИК", "СЛЕДОВАТЕЛЬ"),
    extensions=("(З.К.)", "(В.К.)"),
    insides=("ИНТ.", "НАТ.", "ЭКСТ."),
    places=("КУХНЯ", "МЕЛЬНИЦА", "УЛИЦА", "ВОКЗАЛ"),
    times=("ДЕНЬ", "НОЧЬ", "УТРО"),
    action=("Дверь открывается.", "Анна смотрит в окно. Идёт дождь.", "Марк молчит и считает монеты одну за другой."),
    dialogue=(
        "Ты опоздал.",
        "Я знаю.",
        "Что?!",
        "Нас было трое: старый, высокий и тот, кто никогда не говорил ни слова.",
    ),
    asides=("(тихо)", "(пауза)"),
    shots=(),
    transitions=(),
)
FRENCH = Words(
    names=("ANNE", "LE VIEIL HOMME", "L'INSPECTEUR", "MADAME BÉLANGER"),
    extensions=("(off)", "(V.O.)"),
    insides=("INT.", "EXT."),
    places=("CUISINE", "MOULIN", "GARE", "CHAMBRE D'ANNE"),
    times=("JOUR", "NUIT", "SOIR"),
    action=(
        "La porte s'ouvre.",
        "Anne regarde par la fenêtre. Il pleut.",
        "Le vieil homme compte ses pièces, une à une.",
    ),
    dialogue=(
        "Tu es en retard.",
        "Je sais.",
        "Quoi ?!",
        "Il y en avait trois : le vieux, le grand, et celui qui ne parlait jamais.",
    ),
    asides=("(doucement)", "(un temps)"),
    shots=(),
    transitions=("FONDU AU NOIR.",),
)
GERMAN = Words(
    names=("ANNA", "MARK", "DER ALTE", "FRAU MÜLLER"),
    extensions=("(OFF)",),
    insides=("INNEN.", "AUSSEN.", "INNEN/AUSSEN."),
    places=("KÜCHE", "MÜHLE", "BAHNHOF", "STRASSE"),
    times=("TAG", "NACHT", "ABEND"),
    action=(
        "Die Tür geht auf.",
        "Anna sieht aus dem Fenster. Es regnet.",
        "Der Alte zählt seine Münzen, eine nach der anderen.",
    ),
    dialogue=(
        "Du bist zu spät.",
        "Ich weiß.",
        "Was?!",
        "Es waren drei: der Alte, der Große, und der, der nie etwas sagte.",
    ),
    asides=("(leise)", "(zu Mark)"),
    shots=(),
    transitions=("SCHNITT AUF:",),
)
SPANISH = Words(
    names=("ANA", "MARCOS", "EL VIEJO", "SEÑORA IBÁÑEZ"),
    extensions=("(V.O.)", "(OFF)"),
    insides=("INT.", "EXT."),
    places=("COCINA", "MOLINO", "ESTACIÓN", "CALLE"),
    times=("DÍA", "NOCHE", "TARDE"),
    action=("Se abre la puerta.", "Ana mira por la ventana. Llueve.", "El viejo cuenta sus monedas, una por una."),
    dialogue=("Llegas tarde.", "Ya lo sé.", "¿Qué?", "Eran tres: el viejo, el alto, y el que nunca hablaba con nadie."),
    asides=("(en voz baja)", "(pausa)"),
    shots=(),
    transitions=("CORTE A:",),
)
ITALIAN = replace(
    SPANISH,
    insides=("INTERNO", "ESTERNO"),
    places=("CUCINA", "MULINO", "STAZIONE"),
    times=("GIORNO", "NOTTE"),
    names=("ANNA", "MARCO", "IL VECCHIO"),
    dialogue=("Sei in ritardo.", "Lo so.", "Che cosa?"),
    action=("La porta si apre.", "Anna guarda dalla finestra. Piove."),
    asides=("(piano)",),
    transitions=(),
)

POLISH = Words(
    names=("ANNA", "MAREK", "STARZEC", "PANI WIŚNIEWSKA"),
    extensions=("(OFF)",),
    insides=("WNĘTRZE.", "PLENER."),
    places=("KUCHNIA", "MŁYN", "DWORZEC"),
    times=("DZIEŃ", "NOC"),
    action=("Drzwi się otwierają.", "Anna patrzy przez okno. Pada deszcz."),
    asides=("(cicho)",),
    dialogue=("Spóźniłeś się.", "Wiem.", "Co?!", "Było ich trzech: stary, wysoki i ten, który nigdy nie mówił."),
    shots=(),
    transitions=(),
)
SWEDISH = Words(
    names=("ANNA", "MÅRTEN", "GUBBEN", "FRU ÅBERG"),
    extensions=("(O.S.)",),
    insides=("INT.", "EXT."),
    places=("KÖK", "KVARN", "JÄRNVÄGSSTATION"),
    times=("DAG", "NATT", "KVÄLL"),
    action=("Dörren går upp.", "Anna ser ut genom fönstret. Det regnar."),
    asides=("(tyst)",),
    dialogue=("Du är sen.", "Jag vet.", "Va?!", "De var tre: den gamle, den långe, och den som aldrig sa något."),
    shots=(),
    transitions=(),
)
PORTUGUESE = Words(
    names=("ANA", "MÁRIO", "O VELHO", "DONA CONCEIÇÃO"),
    extensions=("(V.O.)",),
    insides=("INTERIOR -", "EXTERIOR -"),
    places=("COZINHA", "MOINHO", "ESTAÇÃO"),
    times=("DIA", "NOITE"),
    action=("A porta abre-se.", "Ana olha pela janela. Chove."),
    asides=("(baixinho)",),
    dialogue=("Estás atrasado.", "Eu sei.", "O quê?!", "Eram três: o velho, o alto, e aquele que nunca falava."),
    shots=(),
    transitions=(),
)
TURKISH = replace(
    PORTUGUESE,
    names=("AYŞE", "İBRAHİM", "YAŞLI ADAM"),
    insides=("İÇ.", "DIŞ."),
    places=("MUTFAK", "DEĞİRMEN"),
    times=("GÜN", "GECE"),
    dialogue=("Geç kaldın.", "Biliyorum.", "Ne?!"),
    action=("Kapı açılır.", "Yağmur yağıyor."),
)
DANISH = replace(
    SWEDISH,
    names=("ANNA", "MORTEN", "DEN GAMLE", "FRU ØSTERGAARD"),
    places=("KØKKEN", "MØLLE", "BANEGÅRD"),
    times=("DAG", "NAT", "AFTEN"),
    action=("Døren går op.", "Anna ser ud ad vinduet. Det regner."),
    asides=("(stille)",),
    dialogue=("Du kommer for sent.", "Det ved jeg.", "Hvad?!", "De var tre: den gamle, den lange og den tavse."),
)
CZECH = replace(
    POLISH,
    names=("ANNA", "MAREK", "STAŘEC", "PANÍ NOVÁKOVÁ"),
    insides=("INT.", "EXT."),
    places=("KUCHYNĚ", "MLÝN", "NÁDRAŽÍ"),
    times=("DEN", "NOC", "VEČER"),
    action=("Dveře se otevřou.", "Anna se dívá z okna. Prší."),
    asides=("(tiše)",),
    dialogue=("Jdeš pozdě.", "Já vím.", "Co?!", "Byli tři: ten starý, ten vysoký a ten, který nikdy nemluvil."),
)
