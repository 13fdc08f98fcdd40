"""The laboratory: a real legacy stack in a folder of its own (Linux).

Redis, PostgreSQL, a Celery worker, Celery beat with RedBeat and a worker that polls `tasks.background_jobs`, all
running one company's work. Tests and the demo use it. `python -m lab up --folder DIR` starts it, `down` removes it.
"""
