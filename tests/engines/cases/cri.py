# SPDX-License-Identifier: Apache-2.0
"""cri.py COMMAND...: what a kubelet asks of containerd's CRI plugin (runtime.v1), by hand: gRPC on a unix socket.

  version                             pod NAME HANDLER [host]               its id
  container POD NAME BYTES COMMAND... its id, with a limit of memory        start ID
  exec ID COMMAND...                  its output, and its status            status ID     running, or exited and its status
  update ID BYTES                     another limit                         stop ID SECONDS
  remove ID                           stop-pod ID                           remove-pod ID
"""
import socket
import struct
import sys

IMAGE = "localhost/tiny:latest"


# --- protobuf: a message is a list of (field number, value) ---

def varint(number):
    number &= (1 << 64) - 1
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def encode(fields):
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
            continue
        if isinstance(value, list):
            value = encode(value)
        elif isinstance(value, str):
            value = value.encode()
        out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def decode(data):
    """{field number: last value}; a message inside stays bytes."""
    at, out = 0, {}

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            out[tag >> 3] = number()
        elif tag & 7 == 2:
            length = number()
            out[tag >> 3] = data[at:at + length]
            at += length
        else:
            sys.exit(f"wire type {tag & 7}")
    return out


# --- HTTP/2, as much as one call needs ---

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7


def call(method, request, service="RuntimeService"):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(300)
    connection.connect("/run/containerd/containerd.sock")
    stream = connection.makefile("rwb")

    def send(kind, flags, number, payload=b""):
        stream.write(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", number) + payload)

    def literal(name, value):
        return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    message = encode(request)
    stream.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    send(SETTINGS, 0, 0)
    send(HEADERS, 4, 1, literal(":method", "POST") + literal(":scheme", "http") + literal(":path", f"/runtime.v1.{service}/{method}")
         + literal(":authority", "localhost") + literal("content-type", "application/grpc") + literal("te", "trailers"))
    send(DATA, 1, 1, b"\0" + struct.pack(">I", len(message)) + message)
    stream.flush()
    answer = b""
    while True:
        head = stream.read(9)
        if len(head) < 9:
            sys.exit(f"{method}: the connection ended")
        payload = stream.read(int.from_bytes(head[:3], "big"))
        kind, flags = head[3], head[4]
        if kind == SETTINGS and not flags & 1:
            send(SETTINGS, 1, 0)
            stream.flush()
        elif kind == PING and not flags & 1:
            send(PING, 1, 0, payload)
            stream.flush()
        elif kind == DATA:
            answer += payload
        elif kind in (RST_STREAM, GOAWAY):
            sys.exit(f"{method}: the stream was reset: {payload!r}")
        if kind in (DATA, HEADERS) and flags & 1:
            break
    # A call that failed has no answer: what went wrong is in trailers, and in containerd's journal.
    if len(answer) < 5:
        sys.exit(f"{method} failed")
    return decode(answer[5:])


# --- what a kubelet asks ---

NODE = 2
CREATED, RUNNING, EXITED = 0, 1, 2


def pod_config(name, host=True):
    context = [(1, [(1, NODE)])] if host else []
    return [(1, [(1, name), (2, name + "-uid"), (3, "default")]), (2, "" if host else name), (3, "/tmp/pods/" + name),
            (8, [(1, "/kubepods"), (2, context)])]


def pod(name, handler):
    return call("RunPodSandbox", [(1, pod_config(name)), (2, handler)])[1].decode()


def container(pod_id, name, memory, *command):
    config = [(1, [(1, name)]), (2, [(1, IMAGE)])] + [(3, word) for word in command]
    config += [(6, [(1, "SAID"), (2, "by CRI")]), (11, name + ".log")]
    config += [(15, [(1, [(2, 50000), (1, 100000), (4, int(memory)), (5, 500)]),
                     (2, [(3, [(1, NODE), (2, 1)]), (5, [(1, 1000)]), (7, 1), (11, 1)])])]
    return call("CreateContainer", [(1, pod_id), (2, config), (3, pod_config(name))])[1].decode()


def execute(container_id, *command):
    answer = call("ExecSync", [(1, container_id)] + [(2, word) for word in command] + [(3, 60)])
    sys.stdout.write(answer.get(1, b"").decode())
    sys.stderr.write(answer.get(2, b"").decode())
    sys.exit(answer.get(3, 0))


def status(container_id):
    answer = decode(call("ContainerStatus", [(1, container_id)])[1])
    state = answer.get(3, CREATED)
    return {CREATED: "created", RUNNING: "running", EXITED: f"exited {answer.get(7, 0)} {answer.get(10, b'').decode()}"}[state]


COMMANDS = {
    "version": lambda: call("Version", [])[2].decode(),
    "pod": pod,
    "container": container,
    "start": lambda which: call("StartContainer", [(1, which)]) and "",
    "exec": execute,
    "status": status,
    "update": lambda which, memory: call("UpdateContainerResources", [(1, which), (2, [(4, int(memory))])]) and "",
    "stop": lambda which, seconds: call("StopContainer", [(1, which), (2, int(seconds))]) and "",
    "remove": lambda which: call("RemoveContainer", [(1, which)]) and "",
    "stop-pod": lambda which: call("StopPodSandbox", [(1, which)]) and "",
    "remove-pod": lambda which: call("RemovePodSandbox", [(1, which)]) and "",
}
said = COMMANDS[sys.argv[1]](*sys.argv[2:])
if said:
    print(said)
