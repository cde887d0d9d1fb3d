"""Where an ASGI server starts: `uvicorn --factory elevate_api.asgi:build`. Each worker process builds its own."""

import gc

from fastapi import FastAPI

from elevate_api.app import create_app
from elevate_api.config import Settings
from elevate_api.kit import logging


def build() -> FastAPI:
    """The service as the environment says. Raises SettingsError."""
    settings = Settings.load()
    logging.configure(settings.app.log_level, json=settings.app.production)
    app = create_app(settings)
    gc.collect()
    gc.freeze()  # what is loaded stays for good: the collector need not look at it again and again
    return app
