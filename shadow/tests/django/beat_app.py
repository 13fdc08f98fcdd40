"""A Django application with a Celery beat that runs with django-celery-beat's own scheduler; `python -m celery -A beat_app beat`."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import django
from celery import Celery
from django.conf import settings

if not settings.configured:
    parts = urlsplit(os.environ["BEAT_DATABASE"])
    place = {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path.strip("/"), "USER": parts.username}
    settings.configure(
        DATABASES={"default": place | {"HOST": parts.hostname, "PORT": parts.port}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django_celery_beat", "django_celery_results"],
        USE_TZ=True,
        TIME_ZONE="Europe/Paris",
        SECRET_KEY="not secret",
    )
    django.setup()

app = Celery("beat_app", broker=os.environ.get("BEAT_BROKER", "memory://"))
app.conf.timezone = "Europe/Paris"
app.conf.beat_scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
