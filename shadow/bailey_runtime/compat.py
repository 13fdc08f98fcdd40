"""Airflow's names, from where each version keeps them: 2.11, 3.0 and later."""

from __future__ import annotations

from typing import Any

try:
    from airflow.sdk import BaseOperator, BaseSensorOperator, PokeReturnValue
except ImportError:
    from airflow.models.baseoperator import BaseOperator
    from airflow.sensors.base import BaseSensorOperator, PokeReturnValue

try:
    from airflow.sdk import BaseHook, get_current_context
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
except ImportError:
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
    from airflow.hooks.base import BaseHook

    try:
        from airflow.sdk import get_current_context
    except ImportError:
        from airflow.operators.python import get_current_context

from airflow.triggers.base import BaseTrigger, TriggerEvent


def drop_params(operator: Any) -> None:
    """Takes from a task its copy of the DAG's params, which a run merges in anyway: each costs a JSON Schema check per parse."""
    operator.params = {}


__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "BaseHook",
    "BaseOperator",
    "BaseSensorOperator",
    "BaseTrigger",
    "PokeReturnValue",
    "TriggerEvent",
    "drop_params",
    "get_current_context",
]
