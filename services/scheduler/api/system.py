"""What every scheduler answers for itself, leading or not: is it there, and how does it fare."""

from __future__ import annotations

import logging

from aiohttp import web

from services.scheduler.api import answers
from services.scheduler.api.context import Context


async def ping(_context: Context, _request: web.Request) -> web.StreamResponse:
    """pong"""
    return web.Response(text="pong", content_type="text/plain", charset="utf-8")


async def metrics(context: Context, _request: web.Request) -> web.StreamResponse:
    """As JSON, in Dropwizard's shape."""
    return answers.document(context.metrics.document())


async def prometheus(context: Context, _request: web.Request) -> web.StreamResponse:
    """As text for Prometheus."""
    return web.Response(text=context.metrics.prometheus(), headers={"Content-Type": "text/plain; version=0.0.4"})


async def loggers(_context: Context, _request: web.Request) -> web.StreamResponse:
    """The loggers that have a level of their own."""
    manager = logging.Logger.manager
    names = [name for name, each in manager.loggerDict.items() if isinstance(each, logging.Logger) and each.level]
    levels = {name: logging.getLevelName(logging.getLogger(name).level) for name in sorted(names)}
    return answers.document({"ROOT": logging.getLevelName(logging.getLogger().level), **levels})


async def plugins(_context: Context, _request: web.Request) -> web.StreamResponse:
    """There are none."""
    return answers.document({"plugins": []})
