"""A mail receiver (RFC 5321): writes each mail, as Python's mail parser reads it, as a line of JSON into a file.

`silent` never answers, `no-ehlo` knows only HELO, `refuse:ADDRESS` refuses that receiver.
"""

import email
import email.policy
import json
import socketserver
import sys
import time

MODE = sys.argv[2] if len(sys.argv) > 2 else ""


class Handler(socketserver.StreamRequestHandler):
    """One conversation."""

    def say(self, line: str) -> None:
        """Sends a reply."""
        self.wfile.write((line + "\r\n").encode())

    def handle(self) -> None:
        """Follows the protocol strictly: a command out of order is refused."""
        if MODE == "silent":
            time.sleep(60)
        self.say("220 test")
        greeted, sender, receivers = False, None, []
        while line := self.rfile.readline():
            if not line.endswith(b"\r\n"):
                self.say("500 no CRLF")
                continue
            command = line[:-2].decode("ascii")
            verb = command[:4].upper()
            if verb == "EHLO" and MODE != "no-ehlo":
                greeted = True
                self.wfile.write(b"250-test\r\n250-8BITMIME\r\n250 SIZE 1000000\r\n")
            elif verb == "HELO":
                greeted = True
                self.say("250 test")
            elif verb == "MAIL" and greeted and command[4:].upper().startswith(" FROM:<"):
                # What stands behind it are parameters of the extensions that were offered.
                sender, receivers = command[11:].partition(">")[0], []
                self.say("250 ok")
            elif verb == "RCPT" and sender is not None and command[4:].upper().startswith(" TO:<"):
                receiver = command[9:].partition(">")[0]
                if MODE == "refuse:" + receiver:
                    self.say("550 no such user")
                else:
                    receivers.append(receiver)
                    self.say("250 ok")
            elif verb == "DATA" and receivers:
                self.say("354 go on")
                self.write_down(sender, receivers, self.message())
                sender, receivers = None, []
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("503 not now")

    def message(self) -> bytes:
        """The lines until the final dot, without the dots that were doubled."""
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            assert line.endswith(b"\r\n") and len(line) <= 1000, line
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def write_down(self, sender: str, receivers: list, data: bytes) -> None:
        """Parses a mail and writes it into the file."""
        mail = email.message_from_bytes(data, policy=email.policy.default)
        record = {
            "from": sender,
            "to": receivers,
            "subject": mail["Subject"],
            "id": mail["Message-ID"],
            "date": mail["Date"].datetime.isoformat(),
            "defects": [str(defect) for defect in mail.defects],
            "body": mail.get_content().replace("\r\n", "\n"),
        }
        with open(sys.argv[1], "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


class Server(socketserver.ThreadingTCPServer):
    """Several conversations at once."""

    daemon_threads = True


with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], file=sys.stderr, flush=True)
    server.serve_forever()
