"""An HTTP receiver: writes each request as a line of JSON into a file. `silent` never answers; a number is the status; a URL
is where it sends the request on to."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    """Takes any POST."""

    def do_POST(self) -> None:
        """Writes the request down and answers."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if MODE == "silent":
            time.sleep(60)
        with open(sys.argv[1], "a", encoding="utf-8") as file:
            request = {"method": "POST", "path": self.path, "type": self.headers["Content-Type"], "body": body}
            file.write(json.dumps(request) + "\n")
        self.send_response(307 if MODE.startswith("http") else int(MODE))
        if MODE.startswith("http"):
            self.send_header("Location", MODE)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the first line of standard error is the port."""


MODE = sys.argv[2] if len(sys.argv) > 2 else "200"
server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, file=sys.stderr, flush=True)
server.serve_forever()
