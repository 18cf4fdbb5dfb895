# load.py PORT CLIENTS: CLIENTS threads ask http://127.0.0.1:PORT/ again and again, each with a new connection, until it is
# refused. Prints how many were answered; status 1 when a request that was sent got no whole answer.
# SPDX-License-Identifier: Apache-2.0
import socket
import sys
import threading

port, clients = int(sys.argv[1]), int(sys.argv[2])
answered = 0
lost = []
lock = threading.Lock()


def ask(path):
    """The answer, or None if the connection is refused."""
    connection = socket.socket()
    connection.settimeout(20)
    try:
        connection.connect(("127.0.0.1", port))
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(4096):
            answer += part
        return answer
    except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
        return None
    finally:
        connection.close()


def client():
    global answered
    while True:
        answer = ask("/slow?ms=100")
        # A connection that waits in the queue of a closing socket is reset before it was served.
        if not answer:
            return
        with lock:
            if b"Hello from worker" in answer:
                answered += 1
            else:
                lost.append(answer)


threads = [threading.Thread(target=client) for _ in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(f"answered {answered}")
for answer in lost:
    print(f"lost {answer!r}")
sys.exit(1 if lost or not answered else 0)
