"""The gate of pipelines whose entries are those of django-celery-beat: it asks the switch in the application's database."""

from __future__ import annotations

from . import django_switch
from .connections import postgres_connection
from .dag_run import DagRunInfo
from .gate_task import BaileyGate
from .installation import installation

# The connection beside the source's own, which leads to Celery's Redis.
SUFFIX = "_schedule"


class DjangoBeatGate(BaileyGate):
    """Claims a tick in the database that beat reads its schedule from."""

    def ask(self, run: DagRunInfo) -> dict[str, str]:
        """Whether the tick of a scheduled run is Airflow's; a run of a past tick that somebody named may be so too."""
        from .compat import AirflowFailException

        if run.tick is None:
            raise AirflowFailException("a scheduled run without a logical date has no tick to ask for")
        # A tick of the past that is asked for was not missed: none stands for it.
        policy = "every" if run.is_backfill else self.missed_ticks
        try:
            with postgres_connection(self.source or "", SUFFIX) as connection:
                answer = django_switch.wait(
                    connection,
                    self.source or "",
                    run.dag_id,
                    run.tick,
                    run.id,
                    policy=policy,
                    late_after=self.late_after,
                    began=run.began,
                    installation=installation(),
                )
        except Exception as error:
            if "BAILEY" in str(error):
                raise AirflowFailException(str(error)) from error
            return django_switch.away(f"{self.source} gives no answer: {type(error).__name__}: {error}")
        if answer["mode"] == "shadow" and answer["how"] in ("no-switch", "not-ours") and run.is_backfill:
            # A tick that was legacy's: a person has named it, or it is a shadow like any other.
            given = self._ask_launch(run)
            if given["how"] in ("backfill", "away"):
                return given
        return answer
