"""Calls a function in the interpreter of its own application and reports how that ended as data.

Reads `{"callable": "package.module:function", "args": "[…]", "kwargs": "{…}"}`, the latter two as texts of JSON, and prints, as its very last line, one object:
`{"bailey_body": 1, "result": …}`, or `{"bailey_body": 1, "error": {"type", "module", "arguments", "message", "detail", "kept"}}`, the last only where
Celery keeps another class of it.
What the body itself prints, its children included, goes to standard error. Values are written as Celery would write them: by
kombu's serializer, where the interpreter has it and Python's own knows no way. Stands alone: other interpreters run its text with `-c`.
"""

import importlib
import json
import os
import sys
import traceback

MOST_DETAIL = 8000


def plain_or_kombu(value):
    """A value as JSON text, as kombu writes it: it asks no more than Python's own writer until that one knows no way."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        try:
            from kombu.utils.json import dumps
        except ImportError:
            dumps = None
        if dumps is None:
            raise
        return dumps(value, ensure_ascii=False)


def written(value):
    """A result as JSON text. What cannot be written fails as it does in a worker."""
    try:
        return plain_or_kombu(value)
    except Exception as error:
        try:
            from kombu.exceptions import EncodeError
        except ImportError:
            raise error from None
        raise EncodeError(error) from error


def told(value):
    """A value in words that cannot fail."""
    try:
        return repr(value)
    except Exception as error:
        return f"<unrepresentable {type(value).__name__}: {type(error).__name__}>"


def arguments(error):
    """The arguments of an exception as Celery stores them: what cannot be written is represented."""
    parts = []
    for value in error.args:
        try:
            parts.append(plain_or_kombu(value))
        except Exception:
            parts.append(json.dumps(told(value), ensure_ascii=False))
    return "[" + ",".join(parts) + "]"


def comes_back(make, *given):
    """Whether pickle makes an exception anew, as Celery asks it to."""
    import pickle

    try:
        pickle.loads(pickle.dumps(make(*given)))
    except BaseException:
        # Whatever making it anew raises, it is not what the body did.
        return False
    return True


def kept_as(error):
    """The class as which Celery keeps an exception that pickle cannot make anew: the nearest of its bases that it can. None where it stays what it
    is, or has no such base and is wrapped."""
    if comes_back(lambda: error):
        return None
    for kind in type(error).__mro__:
        if kind in (Exception, BaseException, object):
            return None
        if comes_back(kind, *error.args):
            return kind
    return None


def described(error):
    """An exception as JSON text."""
    kind = type(error)
    try:
        message = str(error)
    except Exception:
        message = told(error)
    detail = "".join(traceback.format_exception(kind, error, error.__traceback__))[-MOST_DETAIL:]
    fields = {"type": kind.__qualname__, "module": kind.__module__, "message": message, "detail": detail}
    parts = [json.dumps(name) + ":" + json.dumps(value, ensure_ascii=False) for name, value in fields.items()]
    parts.append('"arguments":' + arguments(error))
    kept = kept_as(error)
    if kept:
        parts.append('"kept":' + json.dumps({"type": kept.__qualname__, "module": kept.__module__}))
    return "{" + ",".join(parts) + "}"


def main():
    # A copy of standard output that no child inherits: whatever else is printed cannot be taken for the report.
    report = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    call = json.load(sys.stdin)
    status = 0
    try:
        module, name = call["callable"].split(":")
        target = importlib.import_module(module)
        for part in name.split("."):
            target = getattr(target, part)
        text = '"result":' + written(target(*json.loads(call["args"]), **json.loads(call["kwargs"])))
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        status = 1
        text = '"error":' + described(error)
    report.write(b'\n{"bailey_body":1,' + text.encode("utf-8", "backslashreplace") + b"}\n")
    report.close()
    # Threads that the body left behind, and handlers of its exit, belong to it; their end is waited for as in a worker's child.
    sys.exit(status)


if __name__ == "__main__":
    main()
