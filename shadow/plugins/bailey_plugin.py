"""Registers Bailey's timetable from a plugins folder, where the runtime is on the module path but not installed."""

from bailey_runtime.plugin import BaileyPlugin

__all__ = ["BaileyPlugin"]
