"""Names of invented artists, tracks, playlists and campaigns.

All of them are made up for this project; a likeness to anybody's is chance. They vary in language,
length and punctuation on purpose: letters beyond ASCII, quotes, commas, brackets, ampersands.
"""

import random
from collections.abc import Iterator

_FIRST = (
    "Ilvy", "Tamsin", "Joren", "Odalis", "Bramwell", "Marisela", "Kestrin", "Solveigh", "Anouke",
    "Perpetua", "Wendell", "Caio", "Ysolde", "Thandeka", "Lorcan", "Mirabeth", "Eskil", "Noor",
    "Femke", "Aurélio", "Hanneke", "Dagny", "Zofija", "Ignacia", "Roswitha", "Ćira",
)  # fmt: skip
_LAST = (
    "Quillfeather", "Vesterlund-Okoro", "Thistlemoor", "Aldercrane", "Bjørnegård", "Montesclaro",
    "Harrowgate-Lee", "Pennywhistle", "Saltmarsh", "Van der Kolk-Ito", "Castrobello", "Winterbourne",
    "Oyelaran-Voss", "Larkspurr", "Dunmaglass", "Świerkowa", "Firnhaber", "Olmedilla", "Brackenridge",
    "Tumbleday", "Nakagome-Reed", "Vinterhavn",
)  # fmt: skip
_BAND = (
    "The Paper Ferries", "Copper & Clementine", "Low Tide Orchestra Club", "Hotel Meridiana",
    "Kitchen Astronauts", "The Velvet Almanac", "Grand Hôtel Pluie", "Otter Street Choir",
    "Slow Postcards", "Neon Orchard Society", "Lantern & Loom", "Ministerio del Eco",
)  # fmt: skip
_TITLE_FIRST = (
    "Paper", "Borrowed", "Last", "Blue", "Midnight", "Salt", "Quiet", "Every", "Hollow", "Golden",
    "Second", "Winter", "Slow", "Electric", "Silver", "Half", "Postcard", "Kitchen", "Velvet",
    "Northern", "Broken", "Little", "Summer", "Static",
)  # fmt: skip
_TITLE_LAST = (
    "Ferries", "Light", "Tram to Lisbon", "Harbour", "Letters", "Balconies", "Radio", "Orchard",
    "Weather", "Ceremony", "Telephones", "Sunday", "Lanterns", "Mirrors", "Trains", "Astronaut",
    "Cinema", "Rooftops", "Satellites", "Umbrellas", "Gardens", "Algebra", "Swimming Pools",
)  # fmt: skip
_TITLE_WHOLE = (
    "Don't Wait Up", "São Tomé, 4 a.m.", "Canción para un faro", '"Stay" Is Not a Question',
    "Mañana Otra Vez", "Nachtzug", "Ærlig talt", "What the River Said (to the Bridge)",
    "Fika for Two", "Où es-tu, Clémence?", "Rain on Zoom", "Hem Igen", "Wir & ihr", "Deixa o mar",
    "Call Me When You're Old", "Ö", "Não Sei Dançar", "Ghost of a Good Idea",
)  # fmt: skip
_VERSION = ("Acoustic", "Live in the Kitchen", "Sped Up", "Night Version", "Radio Edit", "Demo")
_PLAYLIST = (
    "Slow Kitchen Mornings", "Rain Against the Window", "Nordic Drive, After Dark",
    "Lo-fi for Long Letters", "Siesta & Sunlight", "Tiny Desk, Big Feelings", "Bus Stop Indie",
    "Sleep, Softly", "Café Impossível", "Focus Without Words", "New Folk from Everywhere",
)  # fmt: skip
_PURPOSE = (
    "launch", "spring push", "always on", "new markets", "follow-up", "radio week", "LATAM test",
    "Nordics", "pre-save to stream", "tour support", "autumn", "evergreen",
)  # fmt: skip


def artist_names(draw: random.Random) -> Iterator[str]:
    """Endlessly many artists, no two alike for a long while."""
    while True:
        bands = draw.sample(_BAND, len(_BAND))
        people = [f"{first} {last}" for first in _FIRST for last in _LAST]
        draw.shuffle(people)
        for index, person in enumerate(people):
            if index % 4 == 1 and bands:
                yield bands.pop()
            yield person


def track_titles(draw: random.Random, count: int) -> list[str]:
    """`count` titles of one artist, all different."""
    titles: dict[str, None] = {}
    while len(titles) < count:
        kind = draw.random()
        if kind < 0.35:  # noqa: PLR2004 - about a third are whole phrases, the rest are built
            title = draw.choice(_TITLE_WHOLE)
        else:
            title = f"{draw.choice(_TITLE_FIRST)} {draw.choice(_TITLE_LAST)}"
        if titles and kind > 0.9:  # noqa: PLR2004 - one title in ten is another version
            title = f"{draw.choice(list(titles)).split(' (')[0]} ({draw.choice(_VERSION)})"
        titles[title] = None
    return list(titles)


def playlist_name(draw: random.Random) -> str:
    """The title of a playlist."""
    return draw.choice(_PLAYLIST)


def campaign_name(draw: random.Random, subject: str) -> str:
    """A campaign's display name, as people write them: the subject and what it is for."""
    purpose = draw.choice(_PURPOSE)
    form = draw.choice(("{0} - {1}", "{0} ({1})", "{0}", "{0} / {1}"))
    return form.format(subject, purpose)
