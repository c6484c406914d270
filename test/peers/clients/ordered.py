# A client on grpcio that makes the calls it is ordered to make. Reads orders as lines of JSON, all of which it carries out
# at once, and answers each with one when its call has ended; see ordered.ts.
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from simple import decode_response, encode_request

ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


class Client:
    """One channel for each list of addresses, over which it is balanced by turns."""

    def __init__(self, addresses):
        options = [("grpc.service_config", ROUND_ROBIN), ("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.insecure_channel("ipv4:" + addresses, options)
        codec = (encode_request, decode_response)
        self.unary = channel.unary_unary("/proto.Simple/Route", *codec)
        self.server_stream = channel.unary_stream("/proto.Simple/RouteServerStream", *codec)
        self.client_stream = channel.stream_unary("/proto.Simple/RouteClientStream", *codec)
        self.bidi = channel.stream_stream("/proto.Simple/RouteBidiStream", *codec)

    def call(self, order):
        data, messages = order["data"], order["messages"]
        options = {
            "timeout": order["timeoutMs"] / 1000,
            "wait_for_ready": order["waitForReady"],
            "metadata": list(order["header"].items()),
        }
        match order["kind"]:
            case "serverStream":
                return list(self.server_stream(data, **options))
            case "clientStream":
                return [self.client_stream((data for _ in range(messages)), **options)]
            case "bidi":
                return self.in_turns(data, messages, options)
        return [self.unary(data, **options)]

    def in_turns(self, data, messages, options):
        """Each request goes out when the answer to the one before it is there."""
        answered = threading.Semaphore(1)

        def requests():
            for _ in range(messages):
                answered.acquire()
                yield data

        values = []
        try:
            for value in self.bidi(requests(), **options):
                values.append(value)
                answered.release()
        finally:
            # A request that is waited for must not hold a thread when the call has failed.
            answered.release(messages)
        return values


clients = {}
writing = threading.Lock()


def carry_out(client, order):
    answer = {"number": order["number"], "code": 0, "message": "", "values": []}
    try:
        answer["values"] = client.call(order)
    except grpc.RpcError as error:
        answer["code"], answer["message"] = error.code().value[0], error.details()
    with writing:
        print(json.dumps(answer), flush=True)


with ThreadPoolExecutor(max_workers=128) as threads:
    for line in sys.stdin:
        order = json.loads(line)
        addresses = order["addresses"]
        if addresses not in clients:
            clients[addresses] = Client(addresses)
        threads.submit(carry_out, clients[addresses], order)
