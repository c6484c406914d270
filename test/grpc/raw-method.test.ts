import assert from "node:assert/strict";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import type { DescMethod } from "@bufbuild/protobuf";
import { Simple } from "../../gen/simple_pb.ts";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { rawMethod } from "../../src/raw-method.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { type BalancedTransport, createBalancedTransport } from "../../src/transport/transport.ts";
import { failureOf } from "../support/balanced.ts";
import { simpleRoutes } from "../support/simple.ts";
import { connect, serve } from "./link.ts";

type Kind = DescMethod["methodKind"];

/** A balanced transport to one server. */
function balancedTo(t: TestContext, address: string): BalancedTransport {
  const transport = createBalancedTransport({ resolver: staticResolver([address]), connector: grpcConnector() });
  t.after(() => transport.close());
  return transport;
}

/** An HTTP/2 server that does with each request what `onStream` says. */
async function listen(t: TestContext, onStream: (stream: ServerHttp2Stream, path: string) => void): Promise<string> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    onStream(stream as ServerHttp2Stream, headers[":path"]!);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The messages of a gRPC request or response. */
async function* messagesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array = new Uint8Array();
  for await (const chunk of stream) {
    waiting = Buffer.concat([waiting, chunk]);
    for (;;) {
      if (waiting.length < 5) break;
      const length = new DataView(waiting.buffer, waiting.byteOffset).getUint32(1);
      if (waiting.length < 5 + length) break;
      yield waiting.subarray(5, 5 + length);
      waiting = waiting.subarray(5 + length);
    }
  }
}

function envelope(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, 5);
  return bytes;
}

const KINDS: Readonly<Record<string, Kind>> = Object.fromEntries(
  Simple.methods.map(({ name, methodKind }) => [`/${Simple.typeName}/${name}`, methodKind]),
);

/** Answers calls of the demo service with what the server behind `transport` answers, without reading a message. */
async function relay(transport: BalancedTransport, stream: ServerHttp2Stream, path: string): Promise<void> {
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
  let status: Record<string, string> = { "grpc-status": "0" };
  stream.on("wantTrailers", () => stream.sendTrailers(status));
  const requests = messagesOf(stream);
  const kind = KINDS[path]!;
  try {
    if (kind === "unary") {
      const { value } = await requests.next();
      const response = await transport.unary(rawMethod(path, kind), undefined, undefined, undefined, { value: value! });
      stream.write(envelope(response.message.value));
    } else {
      const input = async function* () {
        for await (const value of requests) yield { value };
      };
      const response = await transport.stream(rawMethod(path, kind), undefined, undefined, undefined, input());
      for await (const { value } of response.message) stream.write(envelope(value));
    }
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    status = { "grpc-status": `${code}`, "grpc-message": rawMessage };
  }
  stream.end();
}

async function* inputs(...data: string[]) {
  for (const each of data) yield { data: each };
}

describe("a method without a schema", () => {
  it("carries calls of all four kinds through a relay that knows only their paths", async (t) => {
    const server = await serve(t, {
      route({ data }) {
        if (data === "fail") throw new ConnectError("not this one", Code.NotFound);
        return { code: 200, value: `hello ${data}` };
      },
      async *routeServerStream({ data }) {
        for (let i = 0; i < 3; i++) yield { code: i, value: data };
      },
      async routeClientStream(requests) {
        const all: string[] = [];
        for await (const { data } of requests) all.push(data);
        return { code: 200, value: all.join() };
      },
      async *routeBidiStream(requests) {
        for await (const { data } of requests) yield { code: 200, value: `hello ${data}` };
      },
    });
    const behind = balancedTo(t, server);
    const address = await listen(t, (stream, path) => void relay(behind, stream, path));
    const client = await connect(t, address);
    assert.equal((await client.route({ data: "x" })).value, "hello x");
    assert.equal((await client.routeClientStream(inputs("a", "b", "c"))).value, "a,b,c");
    const codes: number[] = [];
    for await (const { code } of client.routeServerStream({ data: "x" })) codes.push(code);
    assert.deepEqual(codes, [0, 1, 2]);
    const values: string[] = [];
    for await (const { value } of client.routeBidiStream(inputs("a", "b"))) values.push(value);
    assert.deepEqual(values, ["hello a", "hello b"]);
    const error = await failureOf(client.route({ data: "fail" })) as ConnectError;
    assert.deepEqual([error.code, error.rawMessage], [Code.NotFound, "not this one"]);
  });

  it("sends and receives bytes that are not Protobuf, large and empty ones too, and keeps them", async (t) => {
    const address = await listen(t, (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.pipe(stream);
    });
    const transport = balancedTo(t, address);
    const method = rawMethod("/any/thing-of.them/Echo", "unary");
    const all = [0, 1, 100, 20_000, 300_000].map((length) => new Uint8Array(length).fill(255));
    const answers = await Promise.all(all.map(async (value) => {
      const { message } = await transport.unary(method, undefined, undefined, undefined, { value });
      return message.value;
    }));
    await transport.unary(method, undefined, undefined, undefined, { value: new Uint8Array(100) });
    assert.deepEqual(answers, all);
    assert.deepEqual([method.parent.typeName, method.name], ["any/thing-of.them", "Echo"]);
  });

  it("counts its bytes against writeMaxBytes", async (t) => {
    const link = grpcConnector({ writeMaxBytes: 10 })({ address: "127.0.0.1:1" }, { draining() {}, lost() {} });
    t.after(() => link.close());
    const call = link.transport.unary(rawMethod("/a.B/C", "unary"), undefined, undefined, undefined, {
      value: new Uint8Array(11),
    });
    assert.equal((await failureOf(call) as ConnectError).code, Code.ResourceExhausted);
  });

  it("sends nothing but bytes", async (t) => {
    const link = grpcConnector()({ address: "127.0.0.1:1" }, { draining() {}, lost() {} });
    t.after(() => link.close());
    const value = "text" as unknown as Uint8Array<ArrayBuffer>;
    const call = link.transport.unary(rawMethod("/a.B/C", "unary"), undefined, undefined, undefined, { value });
    assert.match(String(await failureOf(call)), /is \{ value \}, a Uint8Array/);
  });

  it("is refused by transports that would wrap its bytes, and tried once", async (t) => {
    let attempts = 0;
    const transport = createBalancedTransport({
      resolver: staticResolver(["a:1"]),
      connector: transportConnector(() => createRouterTransport(simpleRoutes({ name: "a" }))),
      onAttempt: () => void attempts++,
    });
    t.after(() => transport.close());
    const method = rawMethod("/proto.Simple/Route", "unary");
    const error = await failureOf(transport.unary(method, undefined, undefined, undefined, {})) as ConnectError;
    assert.equal(error.code, Code.Unimplemented);
    assert.match(error.message, /needs links of grpcConnector\(\)/);
    assert.equal(attempts, 1);
  });

  it("needs a path and a kind", () => {
    for (const path of ["", "/", "/a", "a/b", "/a/", "//b", "/a b/c", "/a/b\n", "/.x/y", "/x./y", "/a/b/c", "/x/y?z"]) {
      assert.throws(() => rawMethod(path, "unary"), { name: "TypeError", message: /rawMethod\(\) takes/ }, path);
    }
    assert.throws(() => rawMethod("/a/b", "both" as "unary"), TypeError);
  });
});
