"""Hostile strings reach a task byte for byte: from the legacy entry, through import, file and Airflow, to the body."""

from __future__ import annotations

from probe import echo
from road import Road, probe

DAG = "hostile"
ENTRY = "hostile {{ name }} \"'\\ 🌉"
ARGS = [
    'it\'s "quoted" `back`',
    "{{ ds }} {% raw %} {# no #} {{ '{{' }}",
    "line\nbreak\r\n\ttab\\n\\",
    "🌉👩‍👩‍👧 Привет, мир ﷽",
    "'''\"\"\"\\'\\\"",
    "%(x)s %s $HOME `id` ${A} $(id)",
    "\u0000\u001b[31m\u007f\u2028\u2029\ufeff\uffff",
    "".join(chr(97 + (number * 7) % 26) + "{'\"\\\n" for number in range(4000)),
    {"{{ key }}": [1, 2.5, None, True, "\\u0041"], "": "", "имя 'x'": {"deep": ["{{ x }}"]}},
]
KWARGS = {"template": '{{ user.name }}\n{% if late %}it\'s "late"{% endif %}', "owner": "Анна «Ops» O'Neil"}


def test_they_reach_the_body(road: Road) -> None:
    clock = road.entry(ENTRY, 86400.0, args=ARGS, kwargs=KWARGS)
    task = probe("echo", entry=clock)
    del task["python"]["args"], task["python"]["kwargs"]
    road.pipeline(DAG, clock, {"reach": task}, description='{{ ds }} it\'s\n""" \\ 🌉')
    road.build(DAG)
    assert len(str(ARGS[7])) >= 20_000
    road.airflow.trigger(DAG, "by-hand")
    assert road.airflow.ended(DAG, "by-hand") == "success"
    outcome = road.airflow.outcome(DAG, "by-hand", "reach")
    assert outcome is not None
    assert outcome["arguments"] == {"args": ARGS, "kwargs": KWARGS}
    assert outcome["result"] == echo(*ARGS, **KWARGS)
    assert outcome["mode"] == "shadow"
    road.remove(DAG, ENTRY)
