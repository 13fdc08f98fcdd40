"""What is sent to prove a pipeline's messages before its cutover: what a request may ask for beside sending.

Runs together with `celery_wire`, as one program: in the application's own interpreter, or in one that has Celery.
"""

from __future__ import annotations

from .celery_copies import begin, compare, offline, remove
from .celery_round_trip import round_trip, seen
from .celery_wire import DOES

DOES |= {"offline": offline, "begin": begin, "compare": compare, "remove": remove}
DOES |= {"round-trip": round_trip, "seen": seen}
