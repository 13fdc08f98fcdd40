"""How a test Airflow is configured, by version: what `airflow` reads from its environment."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from lab.record import SHADOW, AirflowRecord
from lab.stack import PATIENCE

VERSIONS = ("33", "30", "211")
EXECUTORS = {"local": "LocalExecutor", "celery": "CeleryExecutor"}

# Times that production sets in minutes, so that a test sees within half a minute what Airflow does about a death.
# Much shorter ones would declare dead what only waits for a busy processor.
COMMON = {
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__PARALLELISM": "8",
    "CORE__MAX_ACTIVE_TASKS_PER_DAG": "16",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "CELERY__WORKER_CONCURRENCY": "4",
    "USAGE_DATA_COLLECTION__ENABLED": "False",
}

AIRFLOW_3 = {
    # The default is 300 s.
    "DAG_PROCESSOR__REFRESH_INTERVAL": "2",
    "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "API__WORKERS": "1",
}

AIRFLOW_2 = {
    "SCHEDULER__DAG_DIR_LIST_INTERVAL": "2",
    "SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "30",
    "SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "30",
    "SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "5",
    "WEBSERVER__WORKERS": "2",
    "API__AUTH_BACKENDS": "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth",
}


def members(version: str, executor: str) -> tuple[str, ...]:
    """Airflow's own processes, each named as its command is."""
    if version == "211":
        own: tuple[str, ...] = ("webserver", "scheduler", "triggerer")
    else:
        own = ("api-server", "scheduler", "dag-processor", "triggerer")
    return (*own, "celery worker") if executor == "celery" else own


def variables(record: AirflowRecord, folder: Path) -> dict[str, str]:
    """The environment variables of every process of the Airflow."""
    settings = {**COMMON, **(AIRFLOW_2 if record.version == "211" else AIRFLOW_3), **_own(record, folder)}
    return {
        "AIRFLOW_HOME": str(folder / "home"),
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
    }


def _own(record: AirflowRecord, folder: Path) -> Mapping[str, str]:
    """What differs between one Airflow and the next."""
    port, (worker_logs, triggerer_logs) = str(record.api_port), record.log_ports
    database = record.postgres_url.removeprefix("postgresql://")
    settings = {
        "CORE__DAGS_FOLDER": str(folder / "dags"),
        "CORE__PLUGINS_FOLDER": str(SHADOW / "plugins"),
        "CORE__EXECUTOR": EXECUTORS[record.executor],
        "CORE__FERNET_KEY": base64.urlsafe_b64encode(hashlib.sha256(record.secret.encode()).digest()).decode(),
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}",
        "LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(triggerer_logs),
    }
    if PATIENCE > 1 and record.version != "211":
        # On a machine that has other work a task that lives is silent for longer.
        settings["SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"] = str(int(30 * PATIENCE))
    if record.executor == "celery":
        settings["CELERY__BROKER_URL"] = record.broker_url
        settings["CELERY__RESULT_BACKEND"] = f"db+postgresql://{database}"
        if record.queues:
            # One worker stands for those of several queues.
            settings["CELERY__WORKER_CONCURRENCY"] = "8"
            settings["CORE__PARALLELISM"] = "16"
    if record.version == "211":
        return {
            **settings,
            "WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "WEBSERVER__WEB_SERVER_PORT": port,
            "WEBSERVER__BASE_URL": record.api_url,
            "WEBSERVER__SECRET_KEY": record.secret,
        }
    return {
        **settings,
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,op:op",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "home" / "passwords.json"),
        "CORE__EXECUTION_API_SERVER_URL": f"{record.api_url}/execution/",
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": record.api_url,
        "API__SECRET_KEY": record.secret,
        "API_AUTH__JWT_SECRET": record.secret,
        # A day by default: commands that last longer than a token must get another.
        "API_AUTH__JWT_EXPIRATION_TIME": "60",
        # Without one 3.0 makes tokens with an empty list for it, which today's PyJWT refuses.
        **({"API_AUTH__JWT_ISSUER": record.api_url} if record.version == "30" else {}),
    }
