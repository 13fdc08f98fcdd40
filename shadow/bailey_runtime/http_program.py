"""Sends one HTTP request and reports the answer as data.

Reads `{"method", "url", "headers", "query", "json", "expect", "retry_on", "seconds", "login", "password"}` and prints, as its very last line, one
object: `{"bailey_body": 1, "result": {"status", "json" or "text"}}`, or `{"bailey_body": 1, "error": {…, "final"}}`, where `final` says that no
repetition would mend it. Stands alone: other interpreters run its text with `-c`.
"""

import base64
import http.client
import json
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request

MOST_BYTES = 16 * 1024 * 1024


class Refused(Exception):
    def __init__(self, words, final):
        super().__init__(words)
        self.final = final


def late(*_):
    raise TimeoutError("it did not end in time")


def whole(answer):
    """The body, as far as it is read at all; one that ends before the length that it was said to have is none."""
    body = answer.read(MOST_BYTES + 1)
    if len(body) <= MOST_BYTES and getattr(answer, "length", None):
        raise http.client.IncompleteRead(body, answer.length)
    return body


class Unredirected(urllib.request.HTTPRedirectHandler):
    """A redirection is an answer like any other: what is sent goes to the place that was named, and nowhere else."""

    def redirect_request(self, *args):
        return None


def request_of(call):
    query = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in call["query"].items()]
    url = call["url"] + (("&" if "?" in call["url"] else "?") + urllib.parse.urlencode(query) if query else "")
    headers = {"Accept": "application/json", "User-Agent": "bailey", **call["headers"]}
    body = None
    if call.get("json") is not None:
        # The text that was given, so that no number changes on the way.
        body = call["json"].encode("utf-8")
        headers = {"Content-Type": "application/json", **headers}
    if call.get("login"):
        pair = f"{call['login']}:{call.get('password') or ''}".encode()
        headers.setdefault("Authorization", "Basic " + base64.b64encode(pair).decode())
    return urllib.request.Request(url, data=body, headers=headers, method=call["method"])


def shown(url):
    """A URL without what may be secret: its user and its query."""
    parts = urllib.parse.urlsplit(url)
    place = parts.netloc.rsplit("@", 1)[-1]
    return urllib.parse.urlunsplit((parts.scheme, place, parts.path, "", ""))


def answered(call):
    """Status and body of the answer, whatever the status."""
    name = f"{call['method']} {shown(call['url'])}"
    try:
        # Nothing of the environment: a proxy is a decision, not an accident.
        opener = urllib.request.build_opener(Unredirected, urllib.request.ProxyHandler({}))
        with opener.open(request_of(call), timeout=call["seconds"]) as answer:
            return answer.status, whole(answer)
    except urllib.error.HTTPError as error:
        # Only its words are wanted.
        with error:
            try:
                return error.code, error.read(MOST_BYTES + 1)
            except (OSError, EOFError, http.client.HTTPException):
                return error.code, b""
    except http.client.HTTPException as error:
        # What came is no HTTP, or not all of it: such a server may be on its way down, or up.
        words = f"{type(error).__name__}: {str(error)[:200]}"
        raise Refused(f"{name} gave no whole answer of HTTP: {words}", False) from error
    except (OSError, EOFError) as error:
        why = getattr(error, "reason", error)
        raise Refused(f"{name} gave no answer: {why}", False) from error
    except ValueError as error:
        raise Refused(f"{name} cannot be asked: {error}", True) from error


def no_number(word):
    raise ValueError(f"{word} is no number of JSON")


def result_of(call):
    status, body = answered(call)
    name = f"{call['method']} {shown(call['url'])}"
    text = body.decode("utf-8", "replace")
    expected = status in call["expect"] if call["expect"] else 200 <= status < 300
    if not expected:
        raise Refused(f"{name} answered {status}: {text[:500]}".rstrip(": "), status not in call["retry_on"])
    if len(body) > MOST_BYTES:
        raise Refused(f"{name} answered with more than {MOST_BYTES} bytes", True)
    try:
        json.loads(text, parse_constant=no_number)
    except (ValueError, RecursionError):
        return '{"status":' + str(status) + ',"text":' + json.dumps(text, ensure_ascii=False) + "}"
    # As it was written there, on one line: between tokens of JSON a line break means nothing.
    return '{"status":' + str(status) + ',"json":' + text.replace("\r", " ").replace("\n", " ").strip() + "}"


def main():
    call = json.load(sys.stdin)
    # A server that sends a byte now and then never lets a single wait become too long; this is for all of them.
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, min(max(call["seconds"], 0.001), 86400.0))
    try:
        said, ended = '"result":' + result_of(call), 0
    except Refused as refused:
        fields = {"type": "http", "module": None, "message": str(refused), "detail": "", "arguments": []}
        said, ended = '"error":' + json.dumps({**fields, "final": refused.final}), 1
    sys.stdout.buffer.write(b'\n{"bailey_body":1,' + said.encode("utf-8", "backslashreplace") + b"}\n")
    sys.exit(ended)


if __name__ == "__main__":
    main()
