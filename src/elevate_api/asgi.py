"""Where an ASGI server starts: `uvicorn --factory elevate_api.asgi:build`. Each worker process builds its own."""

import gc

from fastapi import FastAPI

from elevate_api.app import create_app
from elevate_api.config import Settings
from elevate_api.kit import logging

YOUNG_OBJECTS = 20_000
"""So many more made than freed, and the collector looks at them; a few megabytes."""


def build() -> FastAPI:
    """The service as the environment says. Raises SettingsError."""
    settings = Settings.load()
    logging.configure(settings.app.log_level, json=settings.app.production)
    app = create_app(settings)
    spare_the_collector()
    return app


def spare_the_collector() -> None:
    """Have the garbage collector look less often, and never at what is loaded, which stays for good.

    What requests leave behind has few cycles. With sixteen under way as many objects come and go as Python's own
    threshold (700) takes for garbage: it was looked for at every turn, for a twentieth of what a request costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
