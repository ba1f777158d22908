# demine lab: an honest program: an analyst counts who mined where in what was captured on the wire, and keeps the sums in
# Redis.
import collections, json, socket

with socket.create_connection(("127.0.0.1", 6380)) as redis:
    while True:
        seen = collections.Counter()
        with open("/srv/capture.jsonl") as lines:
            for line in lines:
                m = json.loads(line)
                seen[m.get("method"), json.dumps(m.get("params"))[:120]] += 1
        redis.sendall(b"PING\r\n")
        redis.recv(100)
