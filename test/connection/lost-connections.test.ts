import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport as createNodeTransport } from "@connectrpc/connect-node";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport, staticResolver } from "../../src/index.ts";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { readMark } from "../../src/connection/mark.ts";
import { balanced, failureOf } from "../support/balanced.ts";

/** What fetch throws on each platform for a server that is dead. */
const DEAD: Readonly<Record<string, Error>> = {
  Chromium: new TypeError("Failed to fetch"),
  Firefox: new TypeError("NetworkError when attempting to fetch resource."),
  Safari: new TypeError("Load failed"),
  workerd: Object.assign(new Error("Network connection lost."), { retryable: true }),
};

/** Three endpoints over a fetch that answers with the endpoint's name, unless its server is dead. */
function overFetch(failure: Error, interceptors: Interceptor[] = []) {
  const dead = new Set<string>(), tried: string[] = [];
  const answer = async (input: unknown) => {
    const { host } = new URL(String(input));
    tried.push(host);
    if (dead.has(host)) throw failure;
    if (String(input).endsWith("Route")) return Response.json({ value: host });
    const end = new TextEncoder().encode("{}");
    return new Response(new Uint8Array([2, 0, 0, 0, end.length, ...end]), {
      headers: { "content-type": "application/connect+json" },
    });
  };
  const connector = transportConnector(({ address }) =>
    createConnectTransport({ baseUrl: `http://${address}`, fetch: answer as typeof fetch, interceptors })
  );
  return { ...balanced({ connector }), dead, tried };
}

async function read(responses: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of responses);
}

describe("a dead server behind a fetch that says no more than that it failed", () => {
  for (const [platform, failure] of Object.entries(DEAD)) {
    it(`leaves the rotation with the first call, which goes elsewhere, and comes back: ${platform}`, async () => {
      const { client, clock, dead, tried, events, ready } = overFetch(failure);
      await ready();
      dead.add("b:1");
      for (let i = 0; i < 9; i++) {
        const call = client.route({});
        await clock.advance(20);
        assert.notEqual((await call).value, "b:1");
      }
      assert.equal(tried.filter((host) => host === "b:1").length, 1);
      const change = events.findLast((event) => event.type === "connection-state");
      assert.equal(change?.to, "transient_failure");
      // The probe: one call, which goes elsewhere if it fails.
      await clock.advance(1_000);
      for (let i = 0; i < 3; i++) await client.route({});
      assert.equal(tried.filter((host) => host === "b:1").length, 2);
      dead.clear();
      await clock.advance(2_000);
      const answers = new Set<string>();
      for (let i = 0; i < 6; i++) answers.add((await client.route({})).value);
      assert.deepEqual([...answers].sort(), ["a:1", "b:1", "c:1"]);
    });
  }

  it("fails one call of a method that is not idempotent, and says what to look for", async () => {
    const { client, clock, dead, ready } = overFetch(DEAD["Chromium"]!);
    await ready();
    dead.add("b:1");
    const failed: ConnectError[] = [];
    for (let i = 0; i < 9; i++) {
      await read(client.routeServerStream({})).catch((error) => failed.push(ConnectError.from(error)));
      await clock.advance(20);
    }
    assert.equal(failed.length, 1);
    const [error] = failed;
    assert.equal(error?.code, Code.Unavailable);
    assert.match(error?.message ?? "", /on b:1, failed: the connection to b:1 failed: Failed to fetch\. .*\(CORS\)/);
  });

  it("is not what an interceptor or a header does wrong: the endpoint stays in use", async () => {
    const mistakes: Interceptor[] = [
      () => () => {
        throw new TypeError("undefined is not an object");
      },
      (next) => (request) => {
        request.header.set("a b", "");
        return next(request);
      },
    ];
    for (const mistake of mistakes) {
      const { client, events, ready, transport } = overFetch(new Error(), [mistake]);
      await ready();
      const error = ConnectError.from(await failureOf(client.route({})));
      assert.equal(error.code, Code.Unknown);
      assert.ok(transport.snapshot().endpoints?.every(({ state }) => state === "ready"));
      assert.ok(!events.some(({ type }) => type === "connection-state"));
    }
  });
});

const TRANSPORTS: Readonly<Record<string, (url: string) => Transport>> = {
  "Connect over fetch": (baseUrl) => createConnectTransport({ baseUrl }),
  "gRPC-Web over fetch": (baseUrl) => createGrpcWebTransport({ baseUrl }),
  "connect-node over HTTP/1.1": (baseUrl) => createNodeTransport({ baseUrl, httpVersion: "1.1" }),
};

/** A server that is cut off when `cut` is called; streams send one message and wait. */
async function server(t: TestContext) {
  const sockets = new Set<Socket>();
  let name = "";
  const handler = connectNodeAdapter({
    routes: (router) =>
      void router.service(Simple, {
        route: () => ({ value: name }),
        async *routeServerStream() {
          yield { value: "first" };
          await new Promise(() => {});
        },
      }),
  });
  const server = createServer(handler).on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const stop = () => (cut(), new Promise((resolve) => server.close(resolve)));
  t.after(stop);
  name = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { address: name, url: `http://${name}`, cut, stop };
}

describe("a server that dies behind a transport", () => {
  for (const [name, make] of Object.entries(TRANSPORTS)) {
    it(`leaves the rotation, and idempotent calls go elsewhere: ${name}`, async (t) => {
      const servers = [await server(t), await server(t), await server(t)];
      const changes: string[] = [];
      const transport = createBalancedTransport({
        resolver: staticResolver(servers.map(({ address }) => address)),
        connector: transportConnector(({ address }) => make(`http://${address}`)),
        onEvent: (event) => event.type === "connection-state" && changes.push(`${event.endpoint.address} ${event.to}`),
      });
      t.after(() => transport.close());
      const client = createClient(Simple, transport);
      for (let i = 0; i < 6; i++) await client.route({});
      await servers[0]!.stop();
      for (let i = 0; i < 9; i++) assert.notEqual((await client.route({})).value, servers[0]!.address);
      assert.equal(changes[0], `${servers[0]!.address} transient_failure`);
    });
  }
});

describe("a connection lost in the middle of a response", () => {
  for (const [name, make] of Object.entries(TRANSPORTS)) {
    it(`is reported as one: ${name}`, async (t) => {
      const { url, cut } = await server(t);
      const link = transportConnector(() => make(url))({ address: "a:1" }, { draining() {}, lost() {} });
      const messages: string[] = [];
      const reading = (async () => {
        for await (const { value } of createClient(Simple, link.transport).routeServerStream({})) {
          messages.push(value);
          cut();
        }
      })();
      const error = await failureOf(reading) as ConnectError;
      assert.deepEqual(messages, ["first"]);
      assert.deepEqual([Code[error.code], readMark(error)], ["Unavailable", "maybe-processed"]);
      assert.match(error.rawMessage, /^the connection to a:1 failed: /);
    });
  }

  it("is not what a transport that ended the call itself reports", async () => {
    for (const code of [Code.DeadlineExceeded, Code.Canceled]) {
      const ended = new ConnectError("ended", code, undefined, undefined, new TypeError("Failed to fetch"));
      const transport = { unary: () => Promise.reject(ended), stream: () => Promise.reject(ended) } as Transport;
      const link = transportConnector(() => transport)({ address: "a:1" }, { draining() {}, lost() {} });
      const error = await failureOf(createClient(Simple, link.transport).route({}));
      assert.deepEqual([(error as ConnectError).code, readMark(error)], [code, undefined]);
    }
  });
});
