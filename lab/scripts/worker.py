# demine lab: an honest program that works hard and speaks JSON by lines with a server: login, jobs, results. Only the
# vocabulary of mining is missing.
import hashlib, json, socket, socketserver, threading, time


class Queue(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            r = json.loads(line)
            self.wfile.write((json.dumps({"id": r["id"], "result": {"image": "4711.png", "width": 640}}) + "\n").encode())


def queue():
    s = socketserver.ThreadingTCPServer(("127.0.0.1", 7070), Queue)
    threading.Thread(target=s.serve_forever, daemon=True).start()


queue()
with socket.create_connection(("127.0.0.1", 7070)) as s:
    answers = s.makefile()
    n = 0
    while True:
        n += 1
        method = "login" if n == 1 else "resize.done"
        s.sendall((json.dumps({"id": n, "method": method, "params": {"user": "worker-7", "token": "t"}}) + "\n").encode())
        answers.readline()
        until = time.monotonic() + 0.5
        data = b"4711"
        while time.monotonic() < until:
            data = hashlib.sha256(data * 1000).digest()
