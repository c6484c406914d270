# Calls by grpcio: `grpcio.py <address> [<ca.pem> [<cert.pem> <key.pem>]]`. Prints a line for each thing it tries.
import sys
import threading

import grpc

from simple import decode_response as decode, encode_request as encode

TEN_MIB = 10 * 2**20

address, *pems = sys.argv[1:]
read = lambda path: open(path, "rb").read()
options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
if pems:
    pair = [read(pems[2]), read(pems[1])] if len(pems) > 1 else [None, None]
    channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(read(pems[0]), *pair), options)
else:
    channel = grpc.insecure_channel(address, options)

unary = channel.unary_unary("/proto.Simple/Route", encode, decode)
server_stream = channel.unary_stream("/proto.Simple/RouteServerStream", encode, decode)
client_stream = channel.stream_unary("/proto.Simple/RouteClientStream", encode, decode)
bidi = channel.stream_stream("/proto.Simple/RouteBidiStream", encode, decode)


def equal(got, wanted):
    assert got == wanted, f"got {str(got)[:200]}, expected {str(wanted)[:200]}"


def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("it did not fail")


def metadata():
    response, call = unary.with_call("grüße", metadata=[("x-echo", "a b")])
    equal(response, "grüße")
    equal(dict(call.initial_metadata())["x-echo"], "a b")
    equal(dict(call.trailing_metadata())["x-echo-trailer"], "a b")


def failure():
    equal(code_of(lambda: unary("fail")), (grpc.StatusCode.FAILED_PRECONDITION, "as asked: ✓ 100%"))


def receive(data, count, characters):
    values = list(server_stream(data))
    equal((len(values), sum(map(len, values))), (count, characters))


def upload(count, characters):
    equal(client_stream("x" * characters for _ in range(count)), f"{count} {count * characters}")


def turns():
    answered = threading.Semaphore(1)

    def requests():
        for i in range(50):
            answered.acquire()
            yield f"turn {i}"

    values = []
    for value in bidi(requests()):
        values.append(value)
        answered.release()
    equal(values, [f"turn {i}" for i in range(50)])


def large():
    equal(len(unary("x" * TEN_MIB)), TEN_MIB)


def large_streams():
    receive(f"160:{TEN_MIB // 160}", 160, TEN_MIB)
    upload(160, TEN_MIB // 160)


def many_calls():
    calls = [unary.future(str(i)) for i in range(2000)]
    equal([call.result() for call in calls], [str(i) for i in range(2000)])


def cancellation():
    call = server_stream("silent")
    equal(next(call), "silent")
    call.cancel()
    equal(code_of(lambda: next(call))[0], grpc.StatusCode.CANCELLED)


def deadline():
    equal(code_of(lambda: unary("silent", timeout=0.05))[0], grpc.StatusCode.DEADLINE_EXCEEDED)


def compression():
    equal(len(unary("x" * 100_000, compression=grpc.Compression.Gzip)), 100_000)


for name, attempt in {
    "a unary call with metadata": metadata,
    "an error": failure,
    "a stream from the server": lambda: receive("5000:100", 5000, 500_000),
    "a stream from the client": lambda: upload(5000, 100),
    "a stream both ways": turns,
    "messages of 10 MiB": large,
    "10 MiB in streams": large_streams,
    "2,000 calls at once": many_calls,
    "cancellation": cancellation,
    "a deadline": deadline,
    "compression": compression,
}.items():
    try:
        attempt()
        print("ok", name, flush=True)
    except Exception as error:
        print(f"failed {name}: {error!r}".replace("\n", "; "), flush=True)
channel.close()
