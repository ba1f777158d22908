# demine lab: a stand-in for a miner written in Python. It says Stratum to the lab's stub of a pool and burns CPU.
import hashlib, json, socket, sys, threading, time

pool, user = sys.argv[1], sys.argv[2]


def burn():
    # Digests of large buffers: hashlib lets go of the interpreter's lock, so that threads work side by side.
    data = bytes(1 << 20)
    while True:
        data = hashlib.sha256(data).digest() * 32768


def talk():
    host, port = pool.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as s:
        say = lambda x: s.sendall((json.dumps(x) + "\n").encode())
        say({"id": 1, "jsonrpc": "2.0", "method": "login", "params": {"login": user, "pass": "x", "agent": "lab/1.0"}})
        threading.Thread(target=lambda: [None for _ in s.makefile()], daemon=True).start()
        n = 10
        while True:
            time.sleep(1)
            n += 1
            say({"id": n, "jsonrpc": "2.0", "method": "submit",
                 "params": {"id": "lab", "job_id": "00000001", "nonce": "%08x" % n, "result": "00" * 32}})


for _ in range(2):
    threading.Thread(target=burn, daemon=True).start()
while True:
    try:
        talk()
    except OSError:
        time.sleep(1)
