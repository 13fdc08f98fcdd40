"""Airflow's names, from where each version keeps them: 2.11, 3.0 and later."""

from __future__ import annotations

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
    "get_current_context",
]
