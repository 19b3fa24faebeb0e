#!/usr/bin/env python3
"""Plays the host's side of the protocol between a node of the Aleph network and its guest, and checks what
the guest answers, byte for byte.

The transport is hybrid vsock over Unix sockets, as Firecracker, Cloud Hypervisor and vhost-device-vsock (for
QEMU) present it: the host connects to PATH and writes "CONNECT <port>\\n"; connections that the guest opens to
port P of the host arrive on PATH_P.

Order of events
  1. listen on port 52 (and 53 with --guest-api), unless --late-listen is given, 2. start the guest (--spawn),
  3. wait for the ready message, 4. send the configuration, 5. run the cases, 6. halt.

Exit status: 0 every answer right; 1 at least one wrong answer; 2 wrong usage or environment;
3 the guest never became usable (no ready message, or configuration refused).
"""
from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

try:
    import msgpack
except ImportError:  # pragma: no cover
    sys.stderr.write("aleph_host.py needs the 'msgpack' package (pip install -r requirements.txt)\n")
    sys.exit(2)

INIT_PORT = 52
GUEST_API_PORT = 53

V1_FIELDS = [
    "input_data", "interface", "vm_hash", "encoding", "entrypoint", "code",
    "ip", "route", "dns_servers", "volumes", "variables",
]
V2_EXTRA = ["ipv6", "ipv6_gateway", "authorized_keys"]

DEFAULT_CONFIG: dict[str, Any] = {
    "input_data": None,
    "interface": "asgi",
    "vm_hash": "cafe" * 16,
    "encoding": "plain",
    "entrypoint": "app",
    "code": b"",
    "ip": None,
    "route": None,
    "dns_servers": [],
    "volumes": [],
    "variables": {"VM_CUSTOM_NUMBER": "32", "GREETING": "h\u00e9llo"},
    "ipv6": None,
    "ipv6_gateway": None,
    "authorized_keys": None,
}


class Wrong(Exception):
    """The guest gave a wrong answer."""


class Unusable(Exception):
    """The guest never became usable."""


# ----------------------------------------------------------------------------------------------
# transports


class UdsTransport:
    name = "hybrid vsock over Unix sockets"

    def __init__(self, path: str, ack_first: bool = False):
        self.path = path
        self.ack_first = ack_first

    async def listen(self, port: int, handler):
        p = f"{self.path}_{port}"
        if os.path.exists(p):
            os.remove(p)
        return await asyncio.start_unix_server(handler, p)

    async def connect(self, port: int, first: bytes, timeout: float):
        """Connect to the guest and send `first` right behind the CONNECT line, as real hosts do
        (one write, without waiting for the acknowledgement; with --ack-first only after it, because
        vhost-device-vsock loses what follows the CONNECT line in the same piece).
        Returns (reader, writer, ack)."""
        reader, writer = await asyncio.open_unix_connection(self.path, limit=1 << 26)
        writer.write(b"CONNECT %d\n" % port + (b"" if self.ack_first else first))
        await writer.drain()
        ack = await asyncio.wait_for(reader.readline(), timeout)
        if ack and not re.fullmatch(rb"OK \d+\n", ack):
            raise Wrong(f"acknowledgement line is {ack!r}")
        if ack and self.ack_first:
            writer.write(first)
            await writer.drain()
        return reader, writer, ack


# ----------------------------------------------------------------------------------------------
# payloads


def data_of(spec: Any) -> bytes:
    """Bytes described in a case: {"utf8": s} | {"hex": h} | {"repeat": [h, n]} | {"random": [seed, n]}."""
    if spec is None:
        return b""
    if isinstance(spec, str):
        return spec.encode()
    if "utf8" in spec:
        return spec["utf8"].encode()
    if "hex" in spec:
        return bytes.fromhex(spec["hex"])
    if "repeat" in spec:
        return bytes.fromhex(spec["repeat"][0]) * spec["repeat"][1]
    if "random" in spec:
        seed, n = spec["random"]
        return random.Random(seed).randbytes(n)
    raise ValueError(f"unknown data spec {spec}")


def config_payload(cfg: dict[str, Any], version: str) -> bytes:
    names = V1_FIELDS if version == "1.0.0" else V1_FIELDS + V2_EXTRA
    return msgpack.packb({n: cfg[n] for n in names}, use_bin_type=True)


def http_scope(req: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "http",
        "path": req.get("path", "/"),
        "method": req.get("method", "GET"),
        "query_string": req.get("query", ""),
        "headers": [[n.lower().encode(), v.encode("latin-1")] for n, v in req.get("headers", [])],
        "body": data_of(req.get("body")),
    }


def run_payload(scope: dict[str, Any]) -> bytes:
    return msgpack.packb({"scope": scope}, use_bin_type=True)


def canonical_reply(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """The one encoding that --strict accepts for an http reply."""
    return msgpack.packb(
        {
            "headers": {"headers": [[k, v] for k, v in headers], "status": status},
            "body": {"body": body},
            "output": "",
            "output_data": None,
        },
        use_bin_type=True,
    )


DROPPED = {"content-encoding", "transfer-encoding", "vary"}


def http_result(raw: bytes, vm_hash: str, code_ref: str) -> dict[str, Any]:
    """What a client of the host would see for this raw reply. Raises Wrong when the host
    would turn the reply into an error that is not the guest's intention."""
    if raw == b"":
        return {"status": 502, "reason": "No response from VM", "kind": "empty"}
    unpacker = msgpack.Unpacker(None, raw=False, strict_map_key=False, max_buffer_size=1 << 30)
    unpacker.feed(raw)
    try:
        result = unpacker.unpack()
    except Exception as e:  # noqa: BLE001
        raise Wrong(f"reply is not one complete msgpack value: {e!r}; first bytes {raw[:32].hex()}")
    if unpacker.tell() != len(raw):
        raise Wrong(f"{len(raw) - unpacker.tell()} bytes after the msgpack value")
    if not isinstance(result, dict):
        raise Wrong(f"reply is a {type(result).__name__}, not a map")
    if "traceback" in result:
        if not isinstance(result["traceback"], str):
            raise Wrong("'traceback' must be a msgpack str")
        if not isinstance(result.get("error"), str):
            raise Wrong("an error reply carries 'error' as a msgpack str")
        return {"status": 500, "reason": "Error in VM execution", "kind": "error",
                "headers": [(b"content-type", b"text/plain")], "body": result["traceback"].encode(),
                "error": result["error"]}
    try:
        pairs = result["headers"]["headers"]
        status = result["headers"]["status"]
        body = result["body"]["body"]
    except (KeyError, TypeError) as e:
        raise Wrong(f"missing field {e} in reply {str(result)[:200]}")
    if not isinstance(status, int) or isinstance(status, bool):
        raise Wrong(f"status is {status!r}, not an integer")
    if not isinstance(body, bytes):
        raise Wrong(f"body must be msgpack bin, got {type(body).__name__}")
    seen: list[tuple[bytes, bytes]] = []
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(x, bytes) for x in pair):
            raise Wrong(f"header {pair!r} is not a pair of msgpack bin values")
        try:
            seen.append((pair[0].decode().lower().encode(), pair[1].decode().encode()))
        except UnicodeDecodeError:
            raise Wrong(f"header {pair!r} is not UTF-8")
    names = [n for n, _ in seen]
    if b"content-length" not in names:
        seen.append((b"content-length", str(len(body)).encode()))
    seen = [(n, v) for n, v in seen if n.decode() not in DROPPED]
    seen += [(b"aleph-program-itemhash", vm_hash.encode()), (b"aleph-program-code-ref", code_ref.encode())]
    out = {"status": status, "kind": "http", "headers": seen, "body": body,
           "raw_headers": [(bytes(p[0]), bytes(p[1])) for p in pairs], "reply": result}
    if status == 404:
        # The host replaces the body of every 404.
        try:
            out["client_body"] = json.dumps({"error": body.decode()}).encode()
        except UnicodeDecodeError:
            out["client_status"], out["client_body"] = 500, None
    return out


def rendered(res: dict[str, Any]) -> bytes:
    """A fixed rendering of an HTTP answer, so that a whole answer can be compared byte for byte."""
    lines = [b"HTTP/1.1 %d" % res["status"]]
    lines += [n + b": " + v for n, v in res.get("headers", [])]
    return b"\r\n".join(lines) + b"\r\n\r\n" + res.get("body", b"")


# ----------------------------------------------------------------------------------------------
# guest API (port 53)


class GuestApi:
    """A small stand-in for the host's guest API: the cache, /properties, /sign, and fixed answers
    for everything else."""

    def __init__(self, vm_hash: str):
        self.vm_hash = vm_hash
        self.cache: dict[str, bytes] = {}
        self.seen: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request, *rest = head.decode("latin-1").split("\r\n")
                method, target, _ = request.split(" ", 2)
                headers = {}
                for line in rest:
                    if ":" in line:
                        n, v = line.split(":", 1)
                        headers[n.strip().lower()] = v.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.seen.append(f"{method} {target}")
                status, ctype, out = self.answer(method, target, body)
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: {ctype}\r\nContent-Length: {len(out)}\r\n\r\n".encode()
                    + (b"" if method == "HEAD" else out)
                )
                await writer.drain()
                if headers.get("connection", "").lower() == "close":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, method: str, target: str, body: bytes):
        path, _, query = target.partition("?")
        js = lambda x: json.dumps(x).encode()  # noqa: E731
        if path.startswith("/cache/"):
            key = path[len("/cache/"):]
            if key == "":
                pattern = dict(q.partition("=")[::2] for q in query.split("&") if q).get("pattern", "*")
                rx = re.compile("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern) + "$")
                return "200 OK", "application/json; charset=utf-8", js([k for k in self.cache if rx.match(k)])
            if not re.match(r"^\w+$", key):
                return "400 Bad Request", "text/plain; charset=utf-8", b"Invalid key"
            if method == "PUT":
                self.cache[key] = body
                return "200 OK", "application/json; charset=utf-8", b"true"
            if method == "DELETE":
                return "200 OK", "application/json; charset=utf-8", js(1 if self.cache.pop(key, None) is not None else 0)
            if key in self.cache:
                return "200 OK", "application/octet-stream", self.cache[key]
            return "404 Not Found", "text/plain; charset=utf-8", b"No such key in cache"
        if path == "/properties":
            return "200 OK", "application/json", js(
                {"chain": "ETH", "curve": "secp256k1", "address": "0x" + "0" * 40, "public_key": "0x02" + "0" * 64})
        if path == "/sign" and method == "POST":
            message = json.loads(body)
            if json.loads(message["item_content"]).get("address") != self.vm_hash:
                return ("400 Message address does not match VM item_hash", "text/plain; charset=utf-8",
                        b"400: Message address does not match VM item_hash")
            message["sender"] = "0x" + "0" * 40
            message["signature"] = "0x" + "11" * 65
            return "200 OK", "application/json", js(message)
        if method == "POST" and path in ("/api/v0/ipfs/pubsub/pub", "/api/v0/p2p/pubsub/pub"):
            return "200 OK", "application/json", js({"status": "success"})
        if method not in ("GET", "HEAD", "OPTIONS"):
            return "405 Method Not Allowed", "text/plain; charset=utf-8", b"405: Method Not Allowed"
        return "200 OK", "application/json", js({"proxied": f"{method} {target}"})


# ----------------------------------------------------------------------------------------------
# the host


class Host:
    def __init__(self, args, transport):
        self.args = args
        self.t = transport
        self.config = dict(DEFAULT_CONFIG)
        self.version = ""
        self.timings: dict[str, float] = {}
        self.results: list[dict[str, Any]] = []
        self.guest: asyncio.subprocess.Process | None = None
        self.api: GuestApi | None = None
        self.ready_queue: asyncio.Queue = asyncio.Queue()
        self.servers: list[Any] = []

    # -- output
    def log(self, text: str):
        print(text, flush=True)

    def hexdump(self, what: str, data: bytes):
        if self.args.hexdump:
            shown = data if len(data) <= 2048 else data[:2048]
            self.log(f"# {what} [{len(data)} bytes] {shown.hex()}{'...' if len(shown) < len(data) else ''}")

    # -- start-up
    async def _on_ready(self, reader, writer):
        data = await reader.read(1_000_000)  # a single read, as real hosts do
        await self.ready_queue.put((time.monotonic(), data))
        writer.close()

    async def start(self):
        a = self.args
        if a.guest_api:
            self.api = GuestApi(self.config["vm_hash"])
            self.servers.append(await self.t.listen(GUEST_API_PORT, self.api.handle))
        if not a.late_listen:
            self.servers.append(await self.t.listen(INIT_PORT, self._on_ready))
        t0 = time.monotonic()
        if a.spawn:
            self.guest = await asyncio.create_subprocess_exec(*shlex.split(a.spawn), start_new_session=True)
        if a.late_listen:
            await asyncio.sleep(a.late_listen / 1000)
            self.servers.append(await self.t.listen(INIT_PORT, self._on_ready))
        try:
            t1, data = await asyncio.wait_for(self.ready_queue.get(), a.init_timeout)
        except asyncio.TimeoutError:
            raise Unusable(f"no ready signal on port {INIT_PORT} within {a.init_timeout} s")
        self.timings["spawn_to_ready_ms"] = (t1 - t0) * 1000
        self.hexdump("ready signal", data)
        if data:
            try:
                value = msgpack.unpackb(data)
                self.version = value["version"]
                assert isinstance(self.version, str)
            except Exception as e:  # noqa: BLE001
                raise Unusable(f"ready signal {data!r} is not a msgpack map with a str 'version': {e!r}")
        else:
            self.version = "1.0.0"
        self.log(f"# guest ready after {self.timings['spawn_to_ready_ms']:.1f} ms, runtime version {self.version!r}")

    async def configure(self):
        version = self.args.force_version or self.version
        payload = config_payload(self.config, version)
        first = b"%d\n" % len(payload) + payload
        self.hexdump("configuration", first)
        t0 = time.monotonic()
        reader, writer, ack = await self.t.connect(INIT_PORT, first, 60)
        try:
            if not ack:
                raise Unusable("connection to port 52 refused: the guest was not listening when it said ready")
            reply = await asyncio.wait_for(reader.read(1_000_000), 60)  # a single read, as real hosts do
        except asyncio.TimeoutError:
            raise Unusable("no answer to the configuration within 60 s")
        finally:
            writer.close()
        self.timings["configure_ms"] = (time.monotonic() - t0) * 1000
        self.hexdump("configuration reply", reply)
        try:
            value = msgpack.unpackb(reply, raw=False)
        except Exception as e:  # noqa: BLE001
            raise Unusable(f"configuration reply does not decode after one read ({e!r}); it must be one packet: {reply[:64].hex()}")
        if not isinstance(value, dict) or "success" not in value:
            raise Unusable(f"configuration reply {value!r} has no 'success'")
        extra = set(value) - {"success", "error", "traceback"}
        if extra:
            raise Unusable(f"configuration reply has keys a real host refuses: {sorted(extra)}")
        if value["success"] is False:
            raise Unusable(f"guest refused the configuration: {value.get('error')!r}\n{value.get('traceback') or ''}")
        self.log(f"# configured in {self.timings['configure_ms']:.1f} ms")

    # -- one request
    async def exchange(self, first: bytes, seconds: float) -> tuple[bytes, float]:
        t0 = time.monotonic()
        reader, writer, ack = await self.t.connect(INIT_PORT, first, seconds)
        try:
            raw = await asyncio.wait_for(reader.read(), seconds)  # until the guest closes
        finally:
            writer.close()
        return raw, (time.monotonic() - t0) * 1000

    def check(self, case: dict[str, Any], raw: bytes) -> dict[str, Any]:
        exp = case.get("expect", {})
        if "reply_hex" in exp and raw.hex() != exp["reply_hex"]:
            raise Wrong(f"raw reply {raw[:200].hex()} is not {exp['reply_hex'][:400]}")
        if "raw" in exp:
            want = data_of(exp["raw"])
            if raw != want:
                raise Wrong(f"raw reply {raw[:200]!r} is not {want[:200]!r}")
            return {}
        if "event" in exp:
            value = msgpack.unpackb(raw, raw=False)
            if "traceback" in value:
                raise Wrong(f"event handler failed: {value}")
            if value["body"] != exp["event"]:
                raise Wrong(f"event reply body {value['body']!r} is not {exp['event']!r}")
            return {}
        res = http_result(raw, self.config["vm_hash"], self.args.code_ref)
        want_kind = exp.get("kind", "http")
        if res["kind"] != want_kind:
            raise Wrong(f"reply is of kind {res['kind']}, expected {want_kind}: {str(res)[:300]}")
        if want_kind == "error":
            if "error" in exp and res["error"] != exp["error"]:
                raise Wrong(f"error text {res['error']!r} is not {exp['error']!r}")
            if "traceback_contains" in exp and exp["traceback_contains"].encode() not in res["body"]:
                raise Wrong(f"traceback lacks {exp['traceback_contains']!r}: {res['body'][:300]!r}")
            return res
        if want_kind == "empty":
            return res
        if "status" in exp and res["status"] != exp["status"]:
            raise Wrong(f"status {res['status']} is not {exp['status']}")
        if "body_sha256" in exp:
            got = hashlib.sha256(res["body"]).hexdigest()
            if got != exp["body_sha256"]:
                raise Wrong(f"body sha256 {got} is not {exp['body_sha256']} ({len(res['body'])} bytes)")
        if exp.get("body") == "request":
            want = data_of(case["request"].get("body"))
            if res["body"] != want:
                raise Wrong(f"body differs from the request's ({len(res['body'])} against {len(want)} bytes)")
        elif "body_json" in exp:
            try:
                got = json.loads(res["body"])
            except ValueError:
                raise Wrong(f"body is not JSON: {res['body'][:200]!r}")
            if got != exp["body_json"]:
                raise Wrong(f"body {json.dumps(got)[:500]} is not {json.dumps(exp['body_json'])[:500]}")
        elif "body" in exp:
            want = data_of(exp["body"])
            if res["body"] != want:
                raise Wrong(f"body {res['body'][:200]!r} is not {want[:200]!r}")
        for name, value in exp.get("headers", {}).items():
            got = [v.decode() for n, v in res["headers"] if n == name.lower().encode()]
            want_values = value if isinstance(value, list) else [value]
            if got != want_values:
                raise Wrong(f"header {name}: {got} is not {want_values}")
        if "exact" in exp:
            want_headers = [(n.encode(), v.encode()) for n, v in exp["exact"]["headers"]]
            body = data_of(exp["exact"].get("body"))
            if b"content-length" not in [n for n, _ in want_headers]:
                want_headers = want_headers + [(b"content-length", str(len(body)).encode())]
            want_headers += [(b"aleph-program-itemhash", self.config["vm_hash"].encode()),
                             (b"aleph-program-code-ref", self.args.code_ref.encode())]
            want = rendered({"status": exp["exact"]["status"], "headers": want_headers, "body": body})
            got = rendered(res)
            if got != want:
                raise Wrong(f"answer differs byte for byte:\n   got  {got[:600]!r}\n   want {want[:600]!r}")
        if self.args.strict:
            want = canonical_reply(res["status"], res["raw_headers"], res["body"])
            if raw != want:
                raise Wrong(f"--strict: reply encoding differs: got {raw[:120].hex()} want {want[:120].hex()}")
        return res

    async def run_case(self, case: dict[str, Any]):
        op = case.get("op", "http")
        seconds = case.get("seconds", self.args.seconds)
        exp = case.get("expect", {})
        if op == "http":
            first = run_payload(http_scope(case["request"]))
        elif op == "event":
            first = run_payload({"type": "aleph.message", "body": case["event"]})
        elif op == "raw":
            first = data_of(case["data"])
        elif op == "concurrent":
            t0 = time.monotonic()
            subs = case["cases"]
            done = await asyncio.gather(*[self.run_case(c) for c in subs for _ in range(c.get("times", 1))],
                                        return_exceptions=True)
            for r in done:
                if isinstance(r, BaseException):
                    raise r
            ms = (time.monotonic() - t0) * 1000
            if "max_ms" in case and ms > case["max_ms"]:
                raise Wrong(f"took {ms:.0f} ms, more than {case['max_ms']}: requests are not served concurrently")
            return ms
        elif op == "abandon":
            # a real host gives up after `seconds` and closes; the guest must survive it.
            reader, writer, _ = await self.t.connect(INIT_PORT, run_payload(http_scope(case["request"])), 10)
            await asyncio.sleep(case.get("after_ms", 100) / 1000)
            writer.close()
            return 0.0
        elif op == "trickle":
            # A request that arrives in several pieces must be put together again.
            data = run_payload(http_scope(case["request"]))
            t0 = time.monotonic()
            reader, writer, _ = await self.t.connect(INIT_PORT, data[: case["pieces"][0]], 10)
            pos = case["pieces"][0]
            for n in case["pieces"][1:] + [len(data)]:
                await asyncio.sleep(0.05)
                writer.write(data[pos: pos + n])
                await writer.drain()
                pos += n
            raw = await asyncio.wait_for(reader.read(), seconds)
            writer.close()
            self.check(case, raw)
            return (time.monotonic() - t0) * 1000
        else:
            raise ValueError(f"unknown op {op}")
        self.hexdump(f"{case.get('name')} request", first)
        try:
            raw, ms = await self.exchange(first, seconds)
        except asyncio.TimeoutError:
            if exp.get("timeout"):
                return seconds * 1000
            raise Wrong(f"no complete reply within {seconds} s (the guest must close the connection after it)")
        if exp.get("timeout"):
            raise Wrong("answered, although a timeout was expected")
        self.hexdump(f"{case.get('name')} reply", raw)
        self.check(case, raw)
        return ms

    async def halt(self):
        t0 = time.monotonic()
        reader, writer, ack = await self.t.connect(INIT_PORT, b"halt", 5)
        try:
            line1 = await asyncio.wait_for(reader.readline(), 5)
            line2 = await asyncio.wait_for(reader.readline(), 5)
        except asyncio.TimeoutError:
            raise Wrong("halt: no STOP and STOPZ lines within 5 s")
        finally:
            writer.close()
        if (line1, line2) != (b"STOP\n", b"STOPZ\n"):
            raise Wrong(f"halt: lines {line1!r}, {line2!r} instead of 'STOP\\n', 'STOPZ\\n'")
        self.timings["halt_ms"] = (time.monotonic() - t0) * 1000
        if self.guest and self.args.expect_exit:
            try:
                await asyncio.wait_for(self.guest.wait(), 10)
            except asyncio.TimeoutError:
                raise Wrong("halt: the guest process still runs after 10 s")

    async def finish(self):
        for s in self.servers:
            s.close()
        if self.guest and self.guest.returncode is None:
            try:
                os.killpg(self.guest.pid, signal.SIGTERM)
                await asyncio.wait_for(self.guest.wait(), 5)
            except (ProcessLookupError, asyncio.TimeoutError):
                try:
                    os.killpg(self.guest.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass


def load_config(args, host: Host):
    if args.config:
        override = json.loads(Path(args.config).read_text())
        for k, v in override.items():
            if k not in DEFAULT_CONFIG:
                raise SystemExit(f"unknown configuration field {k}")
            if k in ("code", "input_data") and v is not None:
                v = data_of(v)
            host.config[k] = v
    if args.code:
        host.config["code"] = Path(args.code).read_bytes()
    for name in ("encoding", "entrypoint", "interface"):
        if getattr(args, name):
            host.config[name] = getattr(args, name)


async def amain(args) -> int:
    transport = UdsTransport(args.uds, args.ack_first)
    host = Host(args, transport)
    load_config(args, host)
    cases: list[dict[str, Any]] = []
    for f in args.cases or [str(Path(__file__).parent / "cases" / "echo.json")]:
        cases += json.loads(Path(f).read_text())["cases"]
    if args.only:
        cases = [c for c in cases if re.search(args.only, c["name"])]
    if args.skip:
        cases = [c for c in cases if not re.search(args.skip, c["name"])]
    status = 0
    n = 0
    host.log(f"# transport: {transport.name}")
    try:
        await host.start()
        await host.configure()
        for case in cases:
            n += 1
            try:
                ms = await host.run_case(case)
                host.log(f"ok {n} - {case['name']} ({ms:.1f} ms)")
                host.results.append({"name": case["name"], "ok": True, "ms": ms})
            except (Wrong, OSError, asyncio.IncompleteReadError, KeyError, ValueError) as e:
                status = 1
                host.log(f"not ok {n} - {case['name']}\n  {type(e).__name__}: {e}")
                host.results.append({"name": case["name"], "ok": False, "why": f"{type(e).__name__}: {e}"})
        if args.halt:
            n += 1
            try:
                await host.halt()
                host.log(f"ok {n} - halt ({host.timings['halt_ms']:.1f} ms)")
                host.results.append({"name": "halt", "ok": True})
            except (Wrong, OSError) as e:
                status = 1
                host.log(f"not ok {n} - halt\n  {e}")
                host.results.append({"name": "halt", "ok": False, "why": str(e)})
    except (Unusable, Wrong, OSError) as e:
        host.log(f"Bail out! {type(e).__name__}: {e}")
        status = 3
    finally:
        await host.finish()
    host.log(f"1..{n}")
    bad = [r["name"] for r in host.results if not r["ok"]]
    host.log(f"# {len(host.results) - len(bad)} right, {len(bad)} wrong" + (f": {', '.join(bad)}" if bad else ""))
    if args.report:
        Path(args.report).write_text(json.dumps(
            {"status": status, "version": host.version, "timings": host.timings, "results": host.results,
             "guest_api_requests": host.api.seen if host.api else None}, indent=1))
    return status


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--uds", required=True, help="hybrid vsock socket path")
    p.add_argument("--ack-first", action="store_true",
                   help="wait for the OK line before sending anything (needed with vhost-device-vsock 0.3.0)")
    p.add_argument("--spawn", help="command that starts the guest (after the host listens)")
    p.add_argument("--late-listen", type=int, default=0, metavar="MS",
                   help="listen on port 52 only MS after the guest was started: the guest must retry")
    p.add_argument("--config", help="JSON file with configuration fields to override")
    p.add_argument("--code", help="file sent as the configuration's 'code'")
    p.add_argument("--encoding", choices=["plain", "zip", "squashfs"])
    p.add_argument("--entrypoint")
    p.add_argument("--interface", choices=["asgi", "executable"])
    p.add_argument("--code-ref", default="0" * 64)
    p.add_argument("--force-version", choices=["1.0.0", "2.0.0"], help="configuration layout, whatever the guest says")
    p.add_argument("--init-timeout", type=float, default=20.0)
    p.add_argument("--seconds", type=float, default=30.0, help="resources.seconds of the program")
    p.add_argument("--cases", action="append", help="case file (repeatable); default cases/echo.json")
    p.add_argument("--only", help="regular expression: run only these cases")
    p.add_argument("--skip", help="regular expression: leave these cases out")
    p.add_argument("--strict", action="store_true", help="http replies must have the canonical encoding")
    p.add_argument("--guest-api", action="store_true", help="serve the guest API on port 53")
    p.add_argument("--no-halt", dest="halt", action="store_false")
    p.add_argument("--expect-exit", action="store_true", help="the spawned guest must end after halt")
    p.add_argument("--hexdump", action="store_true")
    p.add_argument("--report", help="write a JSON report here")
    args = p.parse_args()
    return asyncio.run(amain(args))


if __name__ == "__main__":
    sys.exit(main())
