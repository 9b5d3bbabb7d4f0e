"""Names of invented artists, tracks, playlists and campaigns.

All of them are made up for this project; a likeness to anybody's is chance. They vary in language,
length and punctuation on purpose: letters beyond ASCII, quotes, commas, brackets, ampersands.
"""

import random
from collections.abc import Iterator, Sequence

_FIRST = (
    "Ilvy", "Tamsin", "Joren", "Odalis", "Bramwell", "Marisela", "Kestrin", "Solveigh", "Anouke",
    "Perpetua", "Wendell", "Caio", "Ysolde", "Thandeka", "Lorcan", "Mirabeth", "Eskil", "Noor",
    "Femke", "Aurélio", "Hanneke", "Dagny", "Zofija", "Ignacia", "Roswitha", "Ćira",
)  # fmt: skip
_LAST = (
    "Quillfeather", "Vesterlund-Okoro", "Thistlemoor", "Aldercrane", "Bjørnegård", "Montesclaro",
    "Harrowgate-Lee", "Pennywhistle", "Saltmarsh", "Van der Kolk-Ito", "Castrobello", "Larkspurr",
    "Oyelaran-Voss", "Winterbourne", "Dunmaglass", "Świerkowa", "Firnhaber", "Olmedilla",
    "Brackenridge", "Tumbleday", "Nakagome-Reed", "Vinterhavn",
)  # fmt: skip
_BANDS = (
    "The Paper Ferries", "Copper & Clementine", "Low Tide Orchestra Club", "Hotel Meridiana",
    "Kitchen Astronauts", "The Velvet Almanac", "Grand Hôtel Pluie", "Otter Street Choir",
    "Slow Postcards", "Neon Orchard Society", "Lantern & Loom", "Ministerio del Eco",
)  # fmt: skip
_PHRASES = (
    "Don't Wait Up", "São Tomé, 4 a.m.", "Canción para un faro", '"Stay" Is Not a Question',
    "Mañana Otra Vez", "Nachtzug", "Ærlig talt", "What the River Said (to the Bridge)",
    "Fika for Two", "Où es-tu, Clémence?", "Rain on Zoom", "Hem Igen", "Wir & ihr", "Deixa o mar",
    "Call Me When You're Old", "Ö", "Não Sei Dançar", "Ghost of a Good Idea", "Left on Platform 9",
    "Someone Else's Coat", "Tell the Neighbours", "Cien Ventanas", "Overslept the Eclipse",
    "Piano in the Stairwell", "Løft", "Two Sugars, No Regrets", "Honest Weather", "Último Ônibus",
    "Everybody's Cousin", "Letter to a Lighthouse", "Umweg", "Snowed In (With You)", "Half Past Us",
    "Kleine Wunder", "The Long Way to Malmö", "Paper Cuts & Pomegranates", "Sunday, Unsupervised",
)  # fmt: skip
_ADJECTIVES = (
    "Borrowed", "Midnight", "Salt", "Quiet", "Hollow", "Golden", "Winter", "Electric", "Silver",
    "Postcard", "Velvet", "Northern", "Broken", "Little", "Static", "Copper", "Distant", "Saffron",
)  # fmt: skip
_NOUNS = (
    "Light", "Harbour", "Letters", "Balconies", "Radio", "Orchard", "Weather", "Ceremony", "Trains",
    "Telephones", "Mirrors", "Astronaut", "Cinema", "Satellites", "Umbrellas", "Algebra", "Tide",
    "Swimming Pools", "Carousel", "Thunder", "Honey", "Parade",
)  # fmt: skip
_VERSIONS = ("Acoustic", "Live in the Kitchen", "Sped Up", "Night Version", "Radio Edit", "Demo")
_PLAYLISTS = (
    "Slow Kitchen Mornings", "Rain Against the Window", "Nordic Drive, After Dark",
    "Lo-fi for Long Letters", "Siesta & Sunlight", "Bus Stop Indie", "Sleep, Softly",
    "Café Impossível", "Focus Without Words", "New Folk from Everywhere", "Dusk on the Balcony",
)  # fmt: skip
_PURPOSES = (
    "launch", "spring push", "always on", "new markets", "follow-up", "radio week", "LATAM test",
    "Nordics", "second wave", "tour support", "autumn", "evergreen",
)  # fmt: skip
_FORMS = ("{0} - {1}", "{0} ({1})", "{0}", "{0} / {1}")


class NameBook:
    """Deals names so that neighbours never share one; starts over when all were dealt."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._artists = _dealt(draw, _artists(draw))
        self._titles = _dealt(draw, _titles())
        self._playlists = _dealt(draw, _PLAYLISTS)
        self._purposes = _dealt(draw, _PURPOSES)

    def artist(self) -> str:
        """A person or a band."""
        return next(self._artists)

    def tracks(self, count: int) -> list[str]:
        """`count` different titles of one artist; now and then another version of the first."""
        titles = [next(self._titles) for _ in range(count)]
        if count > 3:  # noqa: PLR2004 - a short list has no room for a second version
            titles[self._draw.randrange(2, count)] = f"{titles[0]} - {self._draw.choice(_VERSIONS)}"
        return titles

    def playlist(self) -> str:
        """The title of a playlist."""
        return next(self._playlists)

    def campaign(self, subject: str) -> str:
        """The display name of a campaign, as people write them: the subject and what it is for."""
        return self._draw.choice(_FORMS).format(subject, next(self._purposes))


def _dealt(draw: random.Random, names: Sequence[str]) -> Iterator[str]:
    deck = list(names)
    while True:
        draw.shuffle(deck)
        yield from deck


def _artists(draw: random.Random) -> list[str]:
    """Every last name once, with a first name, and the bands."""
    first = draw.sample(_FIRST, len(_LAST))
    return [*_BANDS, *(" ".join(pair) for pair in zip(first, _LAST, strict=True))]


def _titles() -> list[str]:
    built = [
        f"{adjective} {noun}"
        for index, adjective in enumerate(_ADJECTIVES)
        for noun in _NOUNS[index % 4 :: 4]
    ]
    return [*_PHRASES, *built, *_NOUNS[::3]]
