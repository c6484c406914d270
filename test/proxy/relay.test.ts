import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { ca, server as identity } from "../support/tls.ts";
import { clientJs, METHODS, proxyFor, read, serveJs, to, unary } from "./through.ts";

type Unary = grpc.ServerUnaryCall<Buffer, Buffer>;
type Sends = grpc.sendUnaryData<Buffer>;

describe("a proxy", () => {
  it("relays calls of all four kinds, whatever their methods", async (t) => {
    const backend = await serveJs(t, {
      unary: ({ request }: Unary, send: Sends) => send(null, Buffer.from(`1 ${request}`)),
      down(call: grpc.ServerWritableStream<Buffer, Buffer>) {
        for (const n of [1, 2, 3]) call.write(Buffer.from(`${call.request} ${n}`));
        call.end();
      },
      up(call: grpc.ServerReadableStream<Buffer, Buffer>, send: Sends) {
        const all: string[] = [];
        call.on("data", (message) => all.push(String(message)));
        call.on("end", () => send(null, Buffer.from(all.join())));
      },
      both(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
        call.on("data", (message) => call.write(Buffer.from(`${message}!`)));
        call.on("end", () => call.end());
      },
    });
    const { address, proxy } = await proxyFor(t, { routes: [{ to: to([backend]) }] });
    const client = clientJs(t, address);
    assert.deepEqual((await unary(client, "a")).messages, ["1 a"]);
    assert.deepEqual((await unary(client, "")).messages, ["1 "]);
    const { down, up, both } = METHODS;
    const streamed = client.makeServerStreamRequest(
      down.path,
      down.requestSerialize,
      down.responseDeserialize,
      Buffer.from("d"),
    );
    assert.deepEqual((await read(streamed)).messages, ["d 1", "d 2", "d 3"]);
    const collected = await new Promise((resolve) => {
      const call = client.makeClientStreamRequest(up.path, up.requestSerialize, up.responseDeserialize, (_, value) => {
        resolve(String(value));
      });
      for (const part of ["x", "y", "z"]) call.write(Buffer.from(part));
      call.end();
    });
    assert.equal(collected, "x,y,z");
    const talk = client.makeBidiStreamRequest(both.path, both.requestSerialize, both.responseDeserialize);
    const answers = read(talk);
    // One after the other: the answer to a message arrives while the request goes on.
    talk.write(Buffer.from("hello"));
    talk.once("data", () => {
      talk.write(Buffer.from("bye"));
      talk.end();
    });
    assert.deepEqual((await answers).messages, ["hello!", "bye!"]);
    const { calls, inFlight, routes } = proxy.snapshot();
    assert.deepEqual([calls, inFlight], [{ started: 5, succeeded: 5, failed: 0 }, 0]);
    assert.deepEqual(routes[0]!.transport.calls, { started: 5, succeeded: 5, failed: 0, abandoned: 0 });
  });

  it("passes metadata, trailers and errors with their details on as they are", async (t) => {
    const binary = Buffer.from([0, 255, 1, 254]);
    const backend = await serveJs(t, {
      unary({ metadata, request }: Unary, send: Sends) {
        if (String(request) === "fail") {
          const trailer = new grpc.Metadata();
          trailer.set("grpc-status-details-bin", Buffer.from([8, 5]));
          trailer.set("why-bin", binary);
          return send({ code: grpc.status.NOT_FOUND, details: "nø 100%", metadata: trailer });
        }
        return send(null, Buffer.from(JSON.stringify(metadata.getMap())), trailerOf("t-bin", binary));
      },
    });
    const { address } = await proxyFor(t, { routes: [{ to: to([backend]) }] });
    const client = clientJs(t, address);
    const metadata = new grpc.Metadata();
    metadata.set("x-text", "a, b");
    metadata.set("x-bytes-bin", binary);
    const answer = await unary(client, "echo", { metadata });
    const received = JSON.parse(answer.messages[0]!);
    assert.equal(received["x-text"], "a, b");
    assert.deepEqual(Buffer.from(received["x-bytes-bin"].data), binary);
    assert.deepEqual(answer.status.metadata.get("t-bin"), [binary]);
    const failed = await unary(client, "fail");
    assert.equal(failed.status.code, grpc.status.NOT_FOUND);
    assert.equal(failed.status.details, "nø 100%");
    assert.deepEqual(failed.status.metadata.get("grpc-status-details-bin"), [Buffer.from([8, 5])]);
    assert.deepEqual(failed.status.metadata.get("why-bin"), [binary]);
  });

  it("reaches servers over TLS, as its connector's options say", async (t) => {
    const backend = await serveJs(t, { unary: ({ request }: Unary, send: Sends) => send(null, request) });
    // Another proxy: grpc-js's servers have no TLS on Deno.
    const behind = await proxyFor(t, { routes: [{ to: to([backend]) }], tls: identity });
    const secure = to([behind.address], { connector: grpcConnector({ tls: { ca } }) });
    const { address } = await proxyFor(t, { routes: [{ to: secure }] });
    assert.deepEqual((await unary(clientJs(t, address), "safe")).messages, ["safe"]);
  });

  it("sends each call to the next server", async (t) => {
    const servers = await Promise.all(["a", "b", "c"].map((name) => {
      return serveJs(t, { unary: (_: Unary, send: Sends) => send(null, Buffer.from(name)) });
    }));
    const transportOptions = to(servers);
    const { address, proxy } = await proxyFor(t, { routes: [{ to: transportOptions }] });
    const client = clientJs(t, address);
    const counts = new Map<string, number>();
    // Until all are connected, the calls go to those that are.
    for (let ready = 0; ready < 3;) {
      await unary(client, "x");
      ready = proxy.snapshot().routes[0]!.transport.endpoints!.filter(({ state }) => state === "ready").length;
    }
    for (let i = 0; i < 30; i++) {
      const [name] = (await unary(client, "x")).messages;
      counts.set(name!, (counts.get(name!) ?? 0) + 1);
    }
    assert.deepEqual([...counts.values()], [10, 10, 10]);
  });
});

function trailerOf(name: string, value: Buffer): grpc.Metadata {
  const trailer = new grpc.Metadata();
  trailer.set(name, value);
  return trailer;
}
