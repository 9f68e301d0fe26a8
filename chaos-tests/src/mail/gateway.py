"""An operator's gateway for tests: takes signed messages, checks them as the runbook tells a receiver to, answers.

Arguments: PORT SECRET. Lines on its input are the statuses of its next answers; without one it answers 200. Prints READY,
`MODE` after each line, and one line of JSON for each message.
"""
import hashlib
import hmac
import json
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, SECRET = int(sys.argv[1]), sys.argv[2]
statuses = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        identity, timestamp = self.headers["x-tfauth-id"], self.headers["x-tfauth-timestamp"]
        signed = b"v1:%s:%s:" % (timestamp.encode(), identity.encode()) + body
        expected = "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        genuine = hmac.compare_digest(expected, self.headers["x-tfauth-signature"])
        try:
            status = statuses.get_nowait()
        except queue.Empty:
            status = 200 if genuine else 401
        print(json.dumps({"genuine": genuine, "id": identity, "status": status, "message": json.loads(body)}), flush=True)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", PORT), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("READY", flush=True)
for line in sys.stdin:
    statuses.put(int(line))
    print("MODE", flush=True)
