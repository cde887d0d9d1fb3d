"""Languages besides English: a JSON file each, named by its ISO 639-1 code, with the members of `kit.i18n.Catalogue`.

`titles` and `details` go by the problem's code, `texts` by the English words with their {placeholders}, `input` by
pydantic's type of error. Names of fields, states, stages and headers stay as they are: they are what programs see.
"""

from pathlib import Path

from elevate_api.kit.i18n import Catalogue, offer

FOLDER = Path(__file__).parent


def install() -> None:
    """Offer every language that has a file here."""
    for file in sorted(FOLDER.glob("*.json")):
        offer(file.stem, Catalogue.read(file))
