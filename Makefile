# make demo   the main job on a real legacy stack, from nothing to the report
# make demo-airflow   the same with a real Airflow, and a cutover and its rollback
# make demo-company   the first company whole: five pipelines, a real Airflow with CeleryExecutor, cutover in waves, launches, savings
# make test   what CI runs: lint, build, Swift tests, Python tests
SHELL := /bin/bash
.DEFAULT_GOAL := build

.PHONY: demo demo-airflow demo-company test test-full soak build release lint model format clean packages lab-env airflow-env django-env bench dist

demo: release lab-env
	scripts/demo

demo-airflow: release lab-env airflow-env
	scripts/demo-airflow

demo-company: release lab-env airflow-env
	scripts/demo-company

test: packages lint model build lab-env airflow-env django-env
	scripts/test

# The switch's protocol, every state of it.
model: packages
	docs/model/check

# 5,000 cutovers and rollbacks while everything breaks.
soak: build lab-env
	.env-lab/bin/python shadow/tests/switch/torture.py --cutovers 5000 --entries 40

test-full: test airflow-env
	scripts/test-readers
	scripts/test-switch
	scripts/test-redbeat
	scripts/test-celery
	scripts/test-airflow

build: packages
	swift build --build-tests

release: packages
	swift build -c release --product bailey

lint: packages lab-env
	swift format lint --strict --parallel --recursive Package.swift Sources Tests
	shellcheck scripts/* .ci/run Benchmarks/run Benchmarks/*/run docs/model/check
	.env-lab/bin/ruff check --quiet .
	.env-lab/bin/ruff format --quiet --check .
	@echo "lint: nothing to say"

format: lab-env
	swift format --in-place --parallel --recursive Package.swift Sources Tests

bench: release lab-env
	Benchmarks/run

# The wheel of what DAG files import, in dist/.
dist: lab-env
	.env-lab/bin/pip wheel --quiet --disable-pip-version-check --no-deps -w dist ./shadow
	rm -rf shadow/build shadow/bailey_runtime.egg-info
	@ls dist/bailey_runtime-*.whl

packages:
	@scripts/packages

lab-env: packages
	@scripts/python-env lab shadow/requirements-lab.txt

airflow-env: packages
	@scripts/python-env airflow33 shadow/requirements-airflow33.txt

django-env: packages
	@scripts/python-env django shadow/requirements-django.txt

clean:
	rm -rf .build demo dist .env-lab .env-dagfactory .env-django .env-orbiter .env-airflow33 .env-airflow30 .env-airflow211 .env-redbeat22 .env-redbeat23 .env-celery54 .env-celery56
