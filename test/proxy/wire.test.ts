import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { concat, ErrorCode, FrameType } from "../support/raw-http2/frame.ts";
import type { Scenario } from "../support/raw-http2/server.ts";
import { envelope, OK_HEADERS } from "../support/raw-http2/session.ts";
import { begin, call, rawProxy, request, Requests, statusOf, valueOf } from "./raw.ts";

const text = new TextEncoder();

/** Answers every request with a message. */
const answering = (message: string): Scenario => async (session) => {
  await session.handshake();
  for (;;) session.respond(await session.wholeRequest(), { messages: [text.encode(message)] });
};

describe("a proxy on the wire", () => {
  it("drops what clients can't be believed, and says itself where a call came from", async (t) => {
    const seen = Promise.withResolvers<string[]>();
    const { client, addresses } = await rawProxy(t, [async (session) => {
      await session.handshake();
      const { id, head } = await new Requests(session).next();
      seen.resolve([":path", head.path, ":authority", head.authority, ":scheme", head.scheme, ...head.fields]);
      session.respond(id);
    }]);
    const reply = await client.reply(call(
      client,
      request("/a.B/C", [
        ["forwarded", "for=1.2.3.4"],
        ["x-forwarded-for", "1.2.3.4"],
        ["x-forwarded-client-cert", "x"],
        ["x-forwarded-proto", "https"],
        ["lb-token", "mine"],
        ["grpc-previous-rpc-attempts", "7"],
        ["proxy-authorization", "secret"],
        ["authorization", "Bearer t"],
        ["x-twice", "1"],
        ["x-twice", "2"],
        ["user-agent", "theirs/1.0"],
        ["grpc-accept-encoding", "zstd,identity"],
      ]),
    ));
    assert.equal(statusOf(reply), "0");
    const fields = pairs(await seen.promise);
    assert.deepEqual(fields.filter(([name]) => name === "x-twice").map(([, value]) => value), ["1", "2"]);
    assert.deepEqual(Object.fromEntries(fields.filter(([name]) => name !== "x-twice")), {
      ":path": "/a.B/C",
      ":authority": addresses[0],
      ":scheme": "http",
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "theirs/1.0",
      "grpc-accept-encoding": "zstd,identity",
      authorization: "Bearer t",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "public.example",
    });
  });

  it("leaves compressed messages, content types and whatever it doesn't know as they are", async (t) => {
    const answer = concat(envelope(text.encode("zzz"), 1), envelope(text.encode("plain")));
    const seen = Promise.withResolvers<{ readonly body: Uint8Array; readonly fields: string[] }>();
    const { client } = await rawProxy(t, [async (session) => {
      await session.handshake();
      const { id, head } = await new Requests(session).next();
      const { payload } = await session.read(({ type }) => type === FrameType.data);
      seen.resolve({ body: payload, fields: head.fields });
      session.headers(id, [[":status", "200"], ["content-type", "application/grpc+json"], ["grpc-encoding", "zstd"], [
        "x-head",
        "h",
      ]]);
      session.data(id, answer);
      session.headers(id, [["grpc-status", "0"], ["x-tail-bin", "AAE"], ["grpc-message", "all%20well"]], {
        endStream: true,
      });
    }]);
    const fields = request().map((field) => {
      return field[0] === "content-type" ? ["content-type", "application/grpc+json"] as const : field;
    });
    const id = begin(client, [...fields, ["grpc-encoding", "zstd"]]);
    const sent = envelope(text.encode("squeezed"), 1);
    client.data(id, sent, { endStream: true });
    const { sections: [head, trailers], body } = await client.reply(id);
    const arrived = await seen.promise;
    assert.deepEqual(arrived.body, sent);
    assert.equal(Object.fromEntries(pairs(arrived.fields))["content-type"], "application/grpc+json");
    assert.equal(Object.fromEntries(pairs(arrived.fields))["grpc-encoding"], "zstd");
    assert.equal(valueOf(head, "content-type"), "application/grpc+json");
    assert.equal(valueOf(head, "grpc-encoding"), "zstd");
    assert.equal(valueOf(head, "x-head"), "h");
    assert.deepEqual(body, answer);
    assert.deepEqual(trailers, [["grpc-status", "0"], ["x-tail-bin", "AAE"], ["grpc-message", "all%20well"]]);
  });

  it("repeats a call that a server refused, with all of its request", async (t) => {
    const bodies: string[] = [];
    const refusing: Scenario = async (session) => {
      await session.handshake();
      for (;;) session.rst(await session.wholeRequest(), ErrorCode.refusedStream);
    };
    const { client, proxy } = await rawProxy(t, [refusing, async (session) => {
      await session.handshake();
      for (;;) {
        const id = await session.wholeRequest();
        const data = session.received.filter(({ type, streamId }) => type === FrameType.data && streamId === id);
        bodies.push(new TextDecoder().decode(concat(...data.map(({ payload }) => payload)).subarray(5)));
        session.respond(id);
      }
    }]);
    for (const message of ["one", "two", "three", "four"]) {
      assert.equal(statusOf(await client.reply(call(client, request(), message))), "0");
    }
    assert.deepEqual(bodies, ["one", "two", "three", "four"]);
    assert.deepEqual(proxy.snapshot().calls, { started: 4, succeeded: 4, failed: 0 });
  });

  it("doesn't repeat a call that may have been processed, unless its method is listed", async (t) => {
    let requests = 0;
    // Each connection is lost with its second request.
    const losing: Scenario = async (session) => {
      await session.handshake();
      session.respond(await session.wholeRequest());
      requests++;
      await session.wholeRequest();
      requests++;
      session.destroy();
    };
    const { client } = await rawProxy(t, [losing], { options: { idempotent: ["/any.Thing/Safe"] } });
    assert.equal(statusOf(await client.reply(call(client))), "0");
    const lost = await client.reply(call(client));
    assert.equal(statusOf(lost), "14");
    assert.match(
      valueOf(lost.sections[0], "grpc-message")!,
      /^proxy: the only attempt ended before its server answered$/,
    );
    assert.equal(requests, 2);
    for (let i = 0; i < 2; i++) {
      assert.equal(statusOf(await client.reply(call(client, request("/any.Thing/Safe")))), "0");
    }
    assert.equal(requests, 5);
  });

  it("cancels at the server what its client cancels", async (t) => {
    const cancelled = Promise.withResolvers<number>();
    const { client, proxy } = await rawProxy(t, [async (session) => {
      await session.handshake();
      const id = await session.wholeRequest();
      session.headers(id, OK_HEADERS);
      const { payload } = await session.read(({ type }) => type === FrameType.rstStream);
      cancelled.resolve(new DataView(payload.buffer, payload.byteOffset).getUint32(0));
    }]);
    const id = call(client);
    await client.read(({ type }) => type === FrameType.headers);
    client.rst(id);
    assert.equal(await cancelled.promise, ErrorCode.cancel);
    assert.equal(proxy.snapshot().inFlight, 0);
    const { calls, endpoints } = proxy.snapshot().routes[0]!.transport;
    assert.deepEqual(calls, { started: 1, succeeded: 0, failed: 0, abandoned: 1 });
    assert.equal(endpoints![0]!.inFlight, 0);
  });

  it("forgets a call whose client leaves while it waits for a connection", async (t) => {
    // Nothing is ever known of its endpoints.
    async function* resolve(signal: AbortSignal) {
      await new Promise<void>((left) => signal.addEventListener("abort", () => left()));
      yield* [];
    }
    const { client, proxy } = await rawProxy(t, [], { to: { resolver: { resolve } } });
    const ids = [call(client), call(client)];
    await eventually("both wait", () => proxy.snapshot().routes[0]!.transport.waiting === 2);
    client.rst(ids[0]!);
    await eventually("one waits", () => proxy.snapshot().routes[0]!.transport.waiting === 1);
    client.destroy();
    await eventually("none waits", () => {
      const { calls, routes: [route] } = proxy.snapshot();
      return calls.failed === 2 && route!.transport.calls.abandoned === 2 && route!.transport.waiting === 0;
    });
  });

  it("says as a status what ended a response midway", async (t) => {
    const { client } = await rawProxy(t, [async (session) => {
      await session.handshake();
      for (const code of [ErrorCode.cancel, ErrorCode.enhanceYourCalm, ErrorCode.internalError]) {
        const id = await session.wholeRequest();
        session.headers(id, OK_HEADERS);
        session.data(id, envelope(text.encode("part")));
        session.rst(id, code);
      }
      session.headers(await session.wholeRequest(), OK_HEADERS);
      session.destroy();
    }]);
    for (const status of ["1", "8", "13", "14"]) {
      const reply = await client.reply(call(client));
      assert.equal(reply.sections.length, 2);
      assert.equal(statusOf(reply), status);
    }
  });

  it("answers as gRPC what is no response of gRPC", async (t) => {
    const answers: readonly (readonly (readonly [string, string])[])[] = [
      [[":status", "503"], ["content-type", "text/html"]],
      [[":status", "404"]],
      [[":status", "200"], ["content-type", "text/html"]],
      [[":status", "200"], ["content-type", "application/grpc"]],
    ];
    const { client } = await rawProxy(t, [async (session) => {
      await session.handshake();
      for (const fields of answers) session.headers(await session.wholeRequest(), fields, { endStream: true });
      session.respond(await session.wholeRequest(), { trailers: [["x-no", "status"]] });
    }], { to: { ejectOutliers: false } });
    const statuses: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      const { sections } = await client.reply(call(client));
      assert.equal(valueOf(sections[0], ":status"), "200");
      assert.equal(valueOf(sections[0], "content-type")?.startsWith("application/grpc"), true);
      statuses.push(statusOf({ sections }));
    }
    assert.deepEqual(statuses, ["14", "12", "2", "13", "13"]);
  });

  it("sends the time that is left, and ends calls whose time is over", async (t) => {
    const timeouts: (string | undefined)[] = [];
    const reset = Promise.withResolvers<void>();
    const { client } = await rawProxy(t, [async (session) => {
      await session.handshake();
      const requests = new Requests(session);
      const first = await requests.next();
      timeouts.push(first.head.get("grpc-timeout"));
      session.respond(first.id);
      const second = await requests.next();
      timeouts.push(second.head.get("grpc-timeout"));
      await session.read(({ type, streamId }) => type === FrameType.rstStream && streamId === second.id);
      reset.resolve();
    }]);
    assert.equal(statusOf(await client.reply(call(client, request("/a.B/C", [["grpc-timeout", "2H"]])))), "0");
    const late = await client.reply(call(client, request("/a.B/C", [["grpc-timeout", "30m"]])));
    assert.equal(statusOf(late), "4");
    await reset.promise;
    const left = timeouts.map((field) => Number(/^([0-9]+)m$/.exec(field!)![1]));
    assert.ok(left[0]! > 7_000_000 && left[0]! <= 7_200_000 && left[1]! <= 30, `${timeouts}`);
    assert.equal(statusOf(await client.reply(call(client, request("/a.B/C", [["grpc-timeout", "0m"]])))), "4");
    assert.equal(statusOf(await client.reply(call(client, request("/a.B/C", [["grpc-timeout", "soon"]])))), "3");
  });

  it("serves only what its routes list, and says what that is", async (t) => {
    const { client } = await rawProxy(t, [answering("hi")]);
    const get = client.nextId();
    client.headers(get, [[":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "a"]], {
      endStream: true,
    });
    assert.equal(valueOf((await client.reply(get)).sections[0], ":status"), "415");
  });
});

function pairs(fields: readonly string[]): [string, string][] {
  return fields.flatMap((name, i) => i % 2 === 0 ? [[name, fields[i + 1]!] as [string, string]] : []);
}
