"""A message leaves at most once for its id, whatever becomes of the process that sends it."""

from __future__ import annotations

import json
from typing import Any

from .celery_values import SECONDS, WireError

MARK_SECONDS = 7 * 86400
# Marks a message as sent and puts it into its lists, or does neither: after whatever crash, a second call finds the mark.
SEND_ONCE = """
if not redis.call('SET', KEYS[1], ARGV[2], 'NX', 'EX', ARGV[1]) then return 0 end
for place = 2, #KEYS do
  if ARGV[place * 2 - 1] == 'list' then redis.call('LPUSH', KEYS[place], ARGV[place * 2])
  else redis.call('PUBLISH', KEYS[place], ARGV[place * 2]) end
end
return 1
"""


def marks_of(connection: Any, request: dict[str, Any]) -> tuple[Any, str]:
    """The Redis that keeps count of what was sent, and the prefix of its keys: the broker itself where it is one."""
    channel = connection.default_channel
    if hasattr(channel, "_q_for_pri"):
        return channel.client, ""
    import redis

    if not request.get("marks"):
        raise WireError(
            "marks", "nothing keeps count of what was sent: the source's own connection must lead to its Redis"
        )
    return redis.Redis.from_url(request["marks"], socket_timeout=SECONDS, socket_connect_timeout=SECONDS), ""


def marked_as(connection: Any, request: dict[str, Any], id: str) -> bytes | None:
    marks, prefix = marks_of(connection, request)
    found = marks.get(prefix + mark_key(id))
    return found.encode() if isinstance(found, str) else found


def mark_key(id: str) -> str:
    """What tells that a message was sent."""
    return f"bailey:sent:{id}"


class Once:
    """Stands between a channel and its broker: the message leaves at most once for an id.

    On Redis the mark and the message are one script. On others a mark is set before and changed after, in a Redis beside it; what
    crashed in between is unsure.
    """

    def __init__(self, channel: Any, request: dict[str, Any]) -> None:
        self.channel = channel
        self.request = request
        self.sent = False
        self.to: dict[str, Any] = {}
        self.mark = mark_key(request["id"])
        self.publish = channel.basic_publish
        channel.basic_publish = self.basic_publish
        self.is_redis = hasattr(channel, "_q_for_pri")
        if self.is_redis:
            self.puts: list[tuple[str, str, str]] = []
            self.queues: list[str] = []
            channel._put = self.put
            channel._put_fanout = self.put_fanout

    def put(self, queue: str, message: Any, **_: Any) -> None:
        from kombu.utils.json import dumps

        self.queues.append(queue)
        key = self.channel._q_for_pri(queue, self.channel._get_message_priority(message, reverse=False))
        self.puts.append(("list", key, dumps(message)))

    def put_fanout(self, exchange: str, message: Any, routing_key: str, **_: Any) -> None:
        from kombu.utils.json import dumps

        many = getattr(self.channel, "_get_publish_topics", None)
        topics = many(exchange, routing_key) if many else [self.channel._get_publish_topic(exchange, routing_key)]
        self.puts += [("topic", topic, dumps(message)) for topic in topics]

    def basic_publish(self, message: Any, exchange: str = "", routing_key: str = "", **more: Any) -> Any:
        if self.to:
            # The event that tells of the message (task_send_sent_event), which goes out beside it.
            return self.publish(message, exchange, routing_key, **more) if self.sent else None
        self.to = {"exchange": exchange, "routing_key": routing_key}
        if self.is_redis:
            result = self.publish(message, exchange, routing_key, **more)
            del self.channel._put, self.channel._put_fanout
            if not self.puts:
                raise WireError(
                    "unrouted", f"no queue is bound to {self.to}, so the message would vanish; bind one (task_queues)"
                )
            self._put_all()
            self.to |= {"queues": self.queues, "keys": [key for _, key, _ in self.puts]}
            return result
        return self._marked(message, exchange, routing_key, more)

    def _put_all(self) -> None:
        # Kombu's client prefixes the keys of its own commands, not those of a script.
        prefix = getattr(self.channel, "global_keyprefix", "") or ""
        keys = [prefix + self.mark] + [prefix + key for _, key, _ in self.puts]
        words: list[Any] = [MARK_SECONDS, json.dumps(self.to)]
        for kind, _, payload in self.puts:
            words += [kind, payload]
        if self.request.get("is_known"):
            return
        with self.channel.conn_or_acquire() as client:
            self.sent = bool(client.eval(SEND_ONCE, len(keys), *keys, *words))

    def _marked(self, message: Any, exchange: str, routing_key: str, more: dict[str, Any]) -> Any:
        if self.request.get("is_known"):
            return None
        marks, _ = marks_of(self.channel.connection.client, self.request)
        if not marks.set(self.mark, "sending", nx=True, ex=MARK_SECONDS):
            if marks.get(self.mark) != b"sending":
                return None
            if self.request.get("unsure") != "resend":
                raise self._unsure()
        result = self._confirmed(marks, message, exchange, routing_key, more)
        self.sent = True
        marks.set(self.mark, "sent", ex=MARK_SECONDS)
        return result

    def _confirmed(self, marks: Any, message: Any, exchange: str, routing_key: str, more: dict[str, Any]) -> Any:
        """Publishes, and waits until the broker has said that it has the message and that a queue took it."""
        publish = getattr(self.channel, "basic_publish_confirm", None)
        if publish is None:
            return self.publish(message, exchange, routing_key, **more)
        try:
            more.update(mandatory=True, timeout=SECONDS)
            return publish(message, exchange=exchange, routing_key=routing_key, **more)
        except Exception as error:
            if getattr(error, "reply_code", None) in (312, 403, 404, 406):
                # The broker itself says that no queue has it.
                marks.delete(self.mark)
                raise WireError("unrouted", f"the broker refuses the message for {self.to}: {error}") from error
            if self.request.get("unsure") == "resend":
                raise
            raise self._unsure() from error

    def _unsure(self) -> WireError:
        return WireError(
            "unsure",
            f"an attempt ended while it was sending {self.request['id']}: nobody knows whether the broker has the message. If no "
            f"worker ran it, delete the key {self.mark} in the source's Redis and clear the task; “unsure: resend” in the mapping "
            "sends it again by itself",
        )
