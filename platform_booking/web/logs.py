"""Logs: one JSON object a line, on standard error. No local variables, no tenant's data."""

import logging
import sys

import structlog
from flask import Flask


def init_app(app: Flask) -> None:
    """Set the logs up as the settings ask."""
    level = logging.getLevelNamesMapping().get(
        app.config["SETTINGS"].log_level, logging.INFO
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
