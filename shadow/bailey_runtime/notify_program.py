"""Tells people what became of a task or a run, by a webhook or a mail relay.

Reads `{"text", "subject", "places": [{"name", "type", "host", "port", "url", "from", "to"}]}` and prints a line for each place that could not
be reached; it names a webhook by its host, for the rest of its URL is its password. Stands alone: other interpreters run its text with `-c`.
"""

import email.message
import email.utils
import json
import smtplib
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

SECONDS = 10
# All of it: Airflow 3 ends a task 20 s after it has told its end (core.task_success_overtime), and this runs after that.
SECONDS_IN_ALL = 14


class Unredirected(urllib.request.HTTPRedirectHandler):
    """Where somebody sends the post on is not followed: the URL is the password."""

    def redirect_request(self, *args):
        return None


def post(place, text):
    body = json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "backslashreplace")
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "bailey"}
    request = urllib.request.Request(place["url"], data=body, headers=headers, method="POST")
    try:
        urllib.request.build_opener(Unredirected).open(request, timeout=SECONDS).close()
    except urllib.error.HTTPError as error:
        raise OSError(f"it answered {error.code}") from None


def mail(place, text, subject):
    message = email.message.EmailMessage()
    message["Date"] = email.utils.formatdate()
    message["From"] = place["from"]
    message["To"] = ", ".join(place["to"])
    # A header is one line.
    message["Subject"] = " ".join(subject.split())
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text + "\n")
    with smtplib.SMTP(place["host"], int(place["port"] or 25), timeout=SECONDS) as relay:
        relay.send_message(message)


def shown(place):
    if place["type"] == "smtp":
        return f"mail relay {place['host']}:{place['port'] or 25}"
    return f"webhook at {urllib.parse.urlsplit(place['url']).hostname}"


def tell(request):
    """Sends it all the ways at once; one that fails or hangs keeps no other from being told. What failed, in words, by name."""
    failures = {place["name"]: silence(place) for place in request["places"]}

    def one(place):
        try:
            if place["type"] == "smtp":
                mail(place, request["text"], request["subject"])
            else:
                post(place, request["text"])
        except Exception as error:
            # The words of what was tried may hold the URL.
            holds = place["url"] and place["url"] in str(error)
            words = "" if holds or not isinstance(error, OSError) else str(error)
            failures[place["name"]] = (
                f"“{place['name']}” ({shown(place)}) was not told: {words or type(error).__name__}"
            )
        else:
            failures.pop(place["name"], None)

    threads = [threading.Thread(target=one, args=(place,), daemon=True) for place in request["places"]]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS_IN_ALL
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(failures)


def silence(place):
    return f"“{place['name']}” ({shown(place)}) was not told: it had not taken it after {SECONDS_IN_ALL} s"


if __name__ == "__main__":
    for line in tell(json.loads(sys.stdin.buffer.read())).values():
        print(line)
