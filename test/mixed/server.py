# A server of the demo service on grpcio, which knows nothing of etcd: `server.py <name> <port>`. It answers with its name
# and what came. SIGTERM ends it when its calls have ended.
import os
import pathlib
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

sys.path.append(str(pathlib.Path(__file__).parent.parent / "peers" / "clients"))
from simple import decode_request, encode_response

MESSAGES = 3
name, port = sys.argv[1:]


def answer(data):
    return f"{name}: {data}"


def server_stream(data, _):
    for _ in range(MESSAGES):
        yield answer(data)


def client_stream(requests, _):
    *_, last = requests
    return answer(last)


def bidi(requests, _):
    for data in requests:
        yield answer(data)


codec = (decode_request, encode_response)
handlers = {
    "Route": grpc.unary_unary_rpc_method_handler(lambda data, _: answer(data), *codec),
    "RouteServerStream": grpc.unary_stream_rpc_method_handler(server_stream, *codec),
    "RouteClientStream": grpc.stream_unary_rpc_method_handler(client_stream, *codec),
    "RouteBidiStream": grpc.stream_stream_rpc_method_handler(bidi, *codec),
}
server = grpc.server(ThreadPoolExecutor(max_workers=64))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("proto.Simple", handlers)])
server.add_insecure_port(f"127.0.0.1:{port}")
server.start()
print(f"listening 127.0.0.1:{port} {os.getpid()}", flush=True)
signal.signal(signal.SIGTERM, lambda *_: server.stop(5))
server.wait_for_termination()
