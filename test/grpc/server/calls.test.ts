import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { IncomingRequest } from "../../../src/grpc/server/options.ts";
import { failure, values } from "../link.ts";
import { pair } from "./pair.ts";

async function* three(data = "x") {
  for (let i = 0; i < 3; i++) yield { data: `${data}${i}` };
}

describe("a gRPC server's calls", () => {
  it("answer unary ones with message, headers and trailers", async (t) => {
    const { client } = pair(t, {
      route({ data }, context) {
        context.responseHeader.set("x-head", context.requestHeader.get("x-asked")!);
        context.responseTrailer.set("x-tail", "t");
        return { code: 200, value: `hello ${data}` };
      },
    });
    let header: Headers | undefined, trailer: Headers | undefined;
    const answer = await client.route({ data: "a" }, {
      headers: { "x-asked": "yes" },
      onHeader: (headers) => header = headers,
      onTrailer: (headers) => trailer = headers,
    });
    assert.equal(answer.value, "hello a");
    assert.equal(header?.get("x-head"), "yes");
    assert.equal(header?.get("content-type"), "application/grpc+proto");
    assert.equal(trailer?.get("x-tail"), "t");
  });

  it("take promises of other kinds from handlers", async (t) => {
    const thenable = { then: (resolve: (answer: { value: string }) => void) => resolve({ value: "later" }) };
    const { client } = pair(t, { route: () => thenable as never });
    assert.equal((await client.route({})).value, "later");
    const routes = () => thenable;
    assert.throws(() => pair(t, {}, { server: { routes } }), /option routes returned a promise/);
  });

  it("know the time they have left in whole milliseconds", async (t) => {
    const { client } = pair(t, {
      route: (_, { timeoutMs }) => ({ value: String(timeoutMs()) }),
    });
    for (const timeoutMs of [10_000, 2 ** 40]) {
      const left = Number((await client.route({}, { timeoutMs })).value);
      assert.ok(Number.isInteger(left) && left > 0, `${left}`);
    }
    assert.equal((await client.route({})).value, "undefined");
  });

  it("stream responses, requests and both", async (t) => {
    const { client } = pair(t, {
      async *routeServerStream({ data }) {
        for (let i = 0; i < 3; i++) yield { value: `${data}${i}` };
      },
      async routeClientStream(requests) {
        const all: string[] = [];
        for await (const { data } of requests) all.push(data);
        return { value: all.join() };
      },
      async *routeBidiStream(requests) {
        for await (const { data } of requests) yield { value: data.toUpperCase() };
      },
    });
    assert.deepEqual(await values(client.routeServerStream({ data: "s" })), ["s0", "s1", "s2"]);
    assert.equal((await client.routeClientStream(three())).value, "x0,x1,x2");
    assert.deepEqual(await values(client.routeBidiStream(three("b"))), ["B0", "B1", "B2"]);
  });

  it("carry large messages and many of them", async (t) => {
    const { client } = pair(t, {
      route: ({ data }) => ({ value: data }),
      async *routeServerStream({ data }) {
        for (let i = 0; i < 3_000; i++) yield { code: i, value: data };
      },
    });
    const large = "x".repeat(3_000_000);
    const answers = await Promise.all([1, 2, 3].map(() => client.route({ data: large })));
    for (const { value } of answers) assert.equal(value.length, large.length);
    let next = 0;
    for await (const { code } of client.routeServerStream({ data: "y".repeat(300) })) assert.equal(code, next++);
    assert.equal(next, 3_000);
  });

  it("tell a ConnectError with code, message, metadata and trailers", async (t) => {
    const { client } = pair(t, {
      route(_, context) {
        context.responseTrailer.set("x-tail", "t");
        throw new ConnectError("no, żółć %", Code.FailedPrecondition, { "x-why": "because" });
      },
    });
    const { error } = await failure(client.route({}));
    assert.equal(error.code, Code.FailedPrecondition);
    assert.equal(error.rawMessage, "no, żółć %");
    assert.equal(error.metadata.get("x-why"), "because");
    assert.equal(error.metadata.get("x-tail"), "t");
  });

  it("keep the text of any other error from the client, and report it", async (t) => {
    const reported: unknown[] = [];
    const secret = new Error("the password is 1234");
    const { client } = pair(t, {
      route: () => Promise.reject(secret),
      // deno-lint-ignore require-yield
      async *routeServerStream() {
        throw secret;
      },
    }, { server: { onError: (error, call) => reported.push(error, call.method.name) } });
    for (const call of [client.route({}), values(client.routeServerStream({}))]) {
      const { error } = await failure(call);
      assert.equal(error.code, Code.Internal);
      assert.equal(error.rawMessage, "internal error");
    }
    assert.deepEqual(reported, [secret, "Route", secret, "RouteServerStream"]);
  });

  it("say that a method is not implemented", async (t) => {
    const { client } = pair(t, {});
    const { error } = await failure(client.route({}));
    assert.equal(error.code, Code.Unimplemented);
    assert.match(error.rawMessage, /proto\.Simple\.Route is not implemented/);
    const { client: none } = pair(t, {}, { server: { routes: () => {} } });
    assert.equal((await failure(none.route({}))).error.code, Code.Unimplemented);
  });

  it("get context values made of their request, with its peer", async (t) => {
    const key = createContextKey<IncomingRequest | undefined>(undefined);
    const certificate = { subject: { CN: "c" }, fingerprint256: "f", raw: new Uint8Array() };
    const { client } = pair(t, {
      route(_, { values }) {
        const { header, method, peer, url } = values.get(key)!;
        return { value: [header.get("x"), method, peer.address, peer.certificate?.subject.CN, url].join() };
      },
    }, {
      server: { contextValues: (request) => createContextValues().set(key, request) },
      peer: { address: "192.0.2.1:5", certificate },
    });
    const { value } = await client.route({}, { headers: { x: "y" } });
    assert.equal(value, "y,POST,192.0.2.1:5,c,http://test/proto.Simple/Route");
    const reported: unknown[] = [];
    const failing = pair(t, { route: () => ({}) }, {
      server: {
        contextValues() {
          throw new Error("secret");
        },
        onError: (error) => reported.push(error),
      },
    });
    assert.equal((await failure(failing.client.route({}))).error.rawMessage, "internal error");
    assert.equal(reported.length, 1);
  });

  it("see their context member by member", async (t) => {
    let seen: HandlerContext | undefined;
    const { client } = pair(t, {
      route(_, context) {
        const { method, service, protocolName, requestMethod, url, timeoutMs } = seen = context;
        return { value: [method.name, service.typeName, protocolName, requestMethod, url, timeoutMs()].join() };
      },
    });
    const { value } = await client.route({});
    assert.equal(value, "Route,proto.Simple,grpc,POST,http://test/proto.Simple/Route,");
    for (const name of ["requestHeader", "responseHeader", "responseTrailer", "signal", "values"] as const) {
      assert.equal(seen![name], seen![name], `${name} is one object`);
    }
    assert.equal(seen!.responseHeader.get("content-type"), "application/grpc+proto");
    assert.equal(seen!.responseTrailer.get("grpc-status"), "0");
  });
});
