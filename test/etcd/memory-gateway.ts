// etcd's JSON gateway over an etcd in memory, as a fetch.
import { type DescMethod, fromJson, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { KV, Lease, type RangeRequest, Watch, type WatchRequest } from "../../gen/etcd/rpc_pb.ts";
import type { Fetch } from "../../src/etcd-gateway.ts";

const METHODS: Readonly<Record<string, DescMethod>> = {
  "kv/range": KV.method.range,
  "kv/txn": KV.method.txn,
  "lease/grant": Lease.method.leaseGrant,
  "lease/keepalive": Lease.method.leaseKeepAlive,
  "lease/revoke": Lease.method.leaseRevoke,
  "watch": Watch.method.watch,
};

/** Answers as the gateway of the etcd behind a transport. */
export function memoryGateway(transport: Transport): Fetch {
  return async (url, { body, signal }) => {
    const path = new URL(url).pathname.slice("/v3/".length), method = METHODS[path]!;
    const request = fromJson(method.input, JSON.parse(body as string) as JsonValue);
    const json = (message: Message) => toJson(method.output, message, { useProtoFieldName: true });
    if (method.methodKind === "unary") {
      const unary = method as typeof KV.method.range;
      const { message } = await transport.unary(unary, signal!, undefined, {}, request as RangeRequest);
      return Response.json(json(message));
    }
    // The gateway leaves the request's side open.
    const requests = (async function* () {
      yield request as WatchRequest;
      await new Promise((resolve) => signal!.addEventListener("abort", resolve));
    })();
    const stream = method as typeof Watch.method.watch;
    const { message: answers } = await transport.stream(stream, signal!, undefined, {}, requests);
    const encoder = new TextEncoder(), messages = answers[Symbol.asyncIterator]();
    return new Response(
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { value, done } = await messages.next();
          if (done) return controller.close();
          controller.enqueue(encoder.encode(`${JSON.stringify({ result: json(value) })}\n`));
          if (method.localName !== "watch") controller.close();
        },
      }),
    );
  };
}
