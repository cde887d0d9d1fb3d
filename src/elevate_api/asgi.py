"""Where an ASGI server starts: `uvicorn --factory elevate_api.asgi:build`. Each worker process builds its own."""

from fastapi import FastAPI

from elevate_api.app import create_app
from elevate_api.config import Settings
from elevate_api.kit import logging


def build() -> FastAPI:
    """The service as the environment says. Raises SettingsError."""
    settings = Settings.load()
    logging.configure(settings.app.log_level, json=settings.app.production)
    return create_app(settings)
