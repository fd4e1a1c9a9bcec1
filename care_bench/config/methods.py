"""The table of method settings, and how plain data becomes one of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from care_bench import plugins
from care_bench.config.bases import BASES, MethodSettings, parse_settings, settings_class
from care_bench.config.wrappers import WRAPPERS

METHOD_SETTINGS: plugins.Registry[type[MethodSettings]] = plugins.Registry(
    plugins.METHODS, {**BASES, **WRAPPERS}, settings_class
)
"""Method -> its settings class."""


def parse_method(content: Any) -> Any:
    """Turn plain data into the settings class its ``name`` calls for; settings pass through unchanged."""
    return parse_settings(content, METHOD_SETTINGS, "method")


AnyMethodSettings = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(parse_method)]
