"""Airflow's names, from where each version keeps them: 2.11, 3.0 and later.

A name is imported when it is asked for: the DAG processor imports this module anew for every file.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Newer places first.
_PLACES = {
    "AirflowException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowFailException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowSkipException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "BaseOperator": ("airflow.sdk", "airflow.models.baseoperator"),
    "BaseSensorOperator": ("airflow.sdk", "airflow.sensors.base"),
    "BaseTrigger": ("airflow.triggers.base",),
    "Param": ("airflow.sdk", "airflow.models.param"),
    "PokeReturnValue": ("airflow.sdk", "airflow.sensors.base"),
    "TriggerEvent": ("airflow.triggers.base",),
    "Variable": ("airflow.sdk", "airflow.models"),
    "get_current_context": ("airflow.sdk", "airflow.operators.python"),
}


def __getattr__(name: str) -> Any:
    for place in _PLACES.get(name, ()):
        try:
            return getattr(import_module(place), name)
        except (ImportError, AttributeError):
            continue
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def drop_params(operator: Any) -> None:
    """Takes from a task its copy of the DAG's params, which a run merges in anyway: each costs a JSON Schema check per parse."""
    operator.params = {}
