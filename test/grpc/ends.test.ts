import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { EndReportingMessages } from "../../src/connection/end-reporting.ts";
import { createGrpcTransport } from "../../src/grpc/client/transport.ts";
import { deadlinesOf } from "../../src/time/deadline.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { eventually } from "../support/eventually.ts";
import { encodeFrame, Flag, FrameType } from "../support/raw-http2/frame.ts";
import { envelope } from "../support/raw-http2/session.ts";
import { END_HEADERS_STREAM, frame, OK, type Pair, pair } from "../http2/memory.ts";
import { connect, failure, serve, values } from "./link.ts";

const GRPC = [...OK, ["content-type", "application/grpc"]] as const;
const done = (id: number) => frame.headers(id, [["grpc-status", "0"]], END_HEADERS_STREAM);
/** A message whose `value` has so many characters. */
const message = (length: number) =>
  envelope(new Uint8Array([0x12, ...varint(length), ...new Uint8Array(length).fill(0x61)]));
const varint = (n: number): number[] => n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)];

/** A transport over a connection in memory, and a clock that is turned by hand. */
function inMemory(options: Parameters<typeof pair>[0] = {}) {
  const clock = new ManualClock();
  const wire: Pair = pair({ ...options, clock });
  const transport = createGrpcTransport(() => wire.connection, { authority: "test", scheme: "http", clock });
  return { ...wire, clock, transport };
}

async function* none(): AsyncGenerator<never> {}
async function* one(): AsyncGenerator<{ data: string }> {
  yield { data: "one" };
}

describe("a deadline", () => {
  it("notifies listeners that are added after it", async () => {
    const { clock, transport, server } = inMemory();
    const opened = transport.stream(Simple.method.routeServerStream, undefined, 1_000, undefined, none());
    await settled();
    server.send(frame.headers(1, GRPC));
    const { message: messages } = await opened;
    await clock.advance(1_005);
    const told: unknown[] = [], seen = new Error("what the listener makes of it");
    (messages as unknown as EndReportingMessages).reportEndTo((error) => (told.push(error), seen));
    assert.deepEqual(told.map((error) => (error as ConnectError).code), [Code.DeadlineExceeded]);
    await assert.rejects(messages[Symbol.asyncIterator]().next(), seen);
    assert.equal(told.length, 1);
  });

  it("takes nothing from a response that was complete before", async () => {
    const { clock, transport, server } = inMemory();
    const opened = transport.stream(Simple.method.routeServerStream, undefined, 1_000, undefined, none());
    await settled();
    server.send(frame.headers(1, GRPC), frame.data(1, message(9)), frame.data(1, message(8)), done(1));
    const { message: messages } = await opened;
    await clock.advance(2_000);
    const lengths: number[] = [];
    for await (const { value } of messages) lengths.push(value.length);
    assert.deepEqual(lengths, [9, 8]);
  });

  it("ends a stream for listeners, although nobody asks for a message", async () => {
    const { clock, transport, server } = inMemory();
    const opened = transport.stream(Simple.method.routeServerStream, undefined, 1_000, undefined, none());
    await settled();
    server.send(frame.headers(1, GRPC), frame.data(1, message(9)));
    const { message: messages } = await opened;
    const told: unknown[] = [], seen = new Error("what the listener makes of it");
    (messages as unknown as EndReportingMessages).reportEndTo((error) => (told.push(error), seen));
    await clock.advance(1_005);
    assert.deepEqual(told.map((error) => (error as ConnectError).code), [Code.DeadlineExceeded]);
    const reader = messages[Symbol.asyncIterator]();
    await assert.rejects(reader.next(), seen);
    assert.equal((await reader.next()).done, true);
    assert.equal(told.length, 1);
  });

  it("ends a call that is in flight, on time, and resets its stream", async () => {
    const { clock, transport, server, connection } = inMemory();
    const call = failure(transport.unary(Simple.method.route, undefined, 1_000, undefined, {}));
    const stream = failure(transport.stream(Simple.method.routeServerStream, undefined, 2_000, undefined, none()));
    await clock.advance(999);
    assert.equal(connection.requests.active.size, 2);
    await clock.advance(5);
    const { error, mark } = await call;
    assert.deepEqual([error.code, error.rawMessage, mark], [
      Code.DeadlineExceeded,
      "the operation timed out",
      undefined,
    ]);
    await clock.advance(1_000);
    assert.equal((await stream).error.code, Code.DeadlineExceeded);
    assert.deepEqual(
      server.frames().filter(({ type }) => type === FrameType.rstStream).map(({ streamId }) => streamId),
      [
        1,
        3,
      ],
    );
    assert.deepEqual([connection.requests.active.size, clock.held], [0, 0]);
  });

  it("ends a call that waits for a place, which was not sent", async () => {
    const { clock, transport, server } = inMemory();
    server.send(frame.settings([3, 0]));
    const call = failure(transport.unary(Simple.method.route, undefined, 50, undefined, {}));
    await clock.advance(60);
    const { error, mark } = await call;
    assert.deepEqual([error.code, mark], [Code.DeadlineExceeded, "not-sent"]);
  });

  it("that is not a number is no deadline", async () => {
    const { transport, server, clock } = inMemory();
    const call = transport.unary(Simple.method.route, undefined, NaN, undefined, {});
    await settled();
    assert.ok(!new TextDecoder().decode(server.frames().at(-2)!.payload).includes("grpc-timeout"));
    server.send(frame.headers(1, GRPC), frame.data(1, message(3)), done(1));
    await call;
    assert.deepEqual(clock.pending, []);
  });

  it("is forgotten when its call has ended", async () => {
    const { clock, transport, server } = inMemory();
    const call = transport.unary(Simple.method.route, undefined, 1_000, undefined, {});
    server.send(frame.headers(1, GRPC), frame.data(1, message(3)), done(1));
    assert.equal((await call).message.value, "aaa");
    await clock.advance(5_000);
    assert.deepEqual(clock.pending, []);
  });

  it("may pass in the middle of a stream", async () => {
    const { clock, transport, server } = inMemory();
    const opened = transport.stream(Simple.method.routeServerStream, undefined, 1_000, undefined, none());
    await settled();
    server.send(frame.headers(1, GRPC), frame.data(1, message(1)), frame.data(1, message(2)));
    const reader = (await opened).message[Symbol.asyncIterator]();
    assert.equal((await reader.next()).value.value, "a");
    await clock.advance(1_004);
    assert.equal((await failure(reader.next())).error.code, Code.DeadlineExceeded);
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
  });
});

describe("a call whose request can't be compressed", () => {
  it("fails and leaves nothing behind, however the compression fails", async () => {
    for (
      const compress of [() => Promise.reject(new Error("no")), () => {
        throw new Error("no");
      }]
    ) {
      const clock = new ManualClock();
      const { connection } = pair({ clock });
      const sendCompression = { name: "x", compress, decompress: compress };
      const options = { authority: "test", scheme: "http", clock, sendCompression, compressMinBytes: 0 } as const;
      const transport = createGrpcTransport(() => connection, options);
      const { error } = await failure(transport.unary(Simple.method.route, undefined, 5_000, undefined, {}));
      assert.deepEqual([error.code, error.rawMessage, connection.requests.none], [Code.Internal, "no", true]);
      assert.equal(deadlinesOf(clock).pending, 0);
      const stream = transport.stream(Simple.method.routeClientStream, undefined, 5_000, undefined, one());
      assert.equal((await failure(stream)).error.rawMessage, "no");
      assert.equal(deadlinesOf(clock).pending, 0);
    }
  });
});

describe("a caller's signal", () => {
  it("ends a call with its reason, before it is sent, while it waits, and in flight", async () => {
    const { transport, server, connection } = inMemory();
    const aborted = await failure(transport.unary(Simple.method.route, AbortSignal.abort(), undefined, undefined, {}));
    assert.deepEqual([aborted.error.code, aborted.mark, connection.requests.nextId], [Code.Canceled, "not-sent", 1]);
    const controller = new AbortController();
    const { signal } = controller;
    const flying = failure(transport.unary(Simple.method.route, signal, undefined, undefined, {}));
    server.send(frame.settings([3, 1]));
    const waiting = failure(transport.unary(Simple.method.route, signal, undefined, undefined, {}));
    assert.deepEqual([connection.requests.active.size, connection.requests.waiting], [1, 1]);
    controller.abort(new Error("never mind"));
    assert.deepEqual([(await flying).mark, (await waiting).mark], [undefined, "not-sent"]);
    assert.equal((await flying).error.rawMessage, "never mind");
    assert.deepEqual([connection.requests.active.size, connection.requests.waiting], [0, 0]);
    await settled();
    assert.equal(connection.requests.nextId, 3, "what the signal was about to end was not sent");
    const reason = new ConnectError("as it is", Code.Aborted);
    const own = await failure(
      transport.unary(Simple.method.route, AbortSignal.abort(reason), undefined, undefined, {}),
    );
    assert.deepEqual([own.error === reason, own.mark], [true, undefined]);
  });

  it("ends a stream at once, also one with messages that were not read", async () => {
    const { transport, server } = inMemory();
    const controller = new AbortController();
    const opened = transport.stream(Simple.method.routeServerStream, controller.signal, undefined, undefined, none());
    await settled();
    server.send(frame.headers(1, GRPC), frame.data(1, message(1)));
    const reader = (await opened).message[Symbol.asyncIterator]();
    controller.abort();
    assert.equal((await failure(reader.next())).error.code, Code.Canceled);
    assert.equal((await reader.next()).done, true);
  });

  it("is let go of when the call ends", async () => {
    const { transport, server } = inMemory();
    let listeners = 0;
    const signal = new AbortController().signal;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: unknown[]) => (listeners++, Reflect.apply(addEventListener, signal, args));
    signal.removeEventListener = (
      ...args: unknown[]
    ) => (listeners--, Reflect.apply(removeEventListener, signal, args));
    const call = transport.unary(Simple.method.route, signal, undefined, undefined, {});
    assert.equal(listeners, 1);
    server.send(frame.headers(1, GRPC), frame.data(1, message(3)), done(1));
    await call;
    assert.equal(listeners, 0);
  });
});

describe("back-pressure", () => {
  it("holds a server back that sends to a caller who doesn't read", async (t) => {
    let sent = 0;
    const address = await serve(t, {
      async *routeServerStream() {
        for (; sent < 1_000; sent++) yield { value: "x".repeat(10_000) };
      },
    });
    const simple = await connect(t, address, { limits: { streamWindowBytes: 100_000 }, acceptCompression: [] });
    const reader = simple.routeServerStream({})[Symbol.asyncIterator]();
    await reader.next();
    let before = -1;
    await eventually("the server stops", async () => {
      const still = sent === before;
      before = sent;
      if (!still) await new Promise((resolve) => setTimeout(resolve, 50));
      return still;
    });
    assert.ok(sent < 200, `${sent} messages were sent`);
    let read = 1;
    while (!(await reader.next()).done) read++;
    assert.equal(read, 1_000);
  });

  it("holds a caller back whose server doesn't read", async () => {
    const { transport, server, connection } = inMemory();
    let asked = 0;
    async function* requests() {
      for (; asked < 10_000; asked++) yield { data: "x".repeat(1_000) };
    }
    const call = failure(
      transport.stream(Simple.method.routeClientStream, undefined, undefined, undefined, requests()),
    );
    await settled();
    const first = asked;
    assert.ok(first < 200, `${first} messages were asked for`);
    server.send(frame.windowUpdate(0, 100_000), frame.windowUpdate(1, 100_000));
    await settled();
    assert.ok(asked > first && asked < first + 200, `${asked} messages were asked for`);
    connection.close(0, 0);
    assert.equal((await call).error.code, Code.Unavailable);
  });

  it("gives room for a message larger than the window as soon as someone waits for it", async () => {
    const { transport, server } = inMemory({ limits: { streamWindowBytes: 1_000 } });
    server.send(frame.settingsAck());
    const opened = transport.stream(Simple.method.routeServerStream, undefined, undefined, undefined, none());
    await settled();
    const large = message(3_000);
    server.send(frame.headers(1, GRPC), frame.data(1, large.subarray(0, 1_000)));
    const next = (await opened).message[Symbol.asyncIterator]().next();
    for (let at = 1_000; at < large.length; at += 1_000) {
      await settled();
      assert.equal(
        server.frames().filter(({ type, streamId }) => type === FrameType.windowUpdate && streamId === 1).length,
        1,
      );
      server.send(frame.data(1, large.subarray(at, at + 1_000)));
    }
    assert.equal((await next).value.value.length, 3_000);
  });
});

describe("a request's messages", () => {
  it("leave with its headers and its end in one write, where the caller has them", async () => {
    const { transport, server, connection } = inMemory();
    await settled();
    server.frames();
    const before = server.writes.length;
    const call = failure(values(createClient(Simple, transport).routeServerStream({ data: "one" })));
    const unary = failure(createClient(Simple, transport).route({ data: "two" }));
    await settled();
    assert.equal(server.writes.length, before + 1);
    assert.deepEqual(server.frames().map(({ type, flags, streamId }) => [streamId, type, flags]).sort(), [
      [1, FrameType.data, Flag.endStream],
      [1, FrameType.headers, Flag.endHeaders],
      [3, FrameType.data, Flag.endStream],
      [3, FrameType.headers, Flag.endHeaders],
    ]);
    connection.close(0, 0);
    await Promise.all([call, unary]);
  });

  it("may come from any AsyncIterable, also one without return and throw", async (t) => {
    const address = await serve(t, {
      async *routeBidiStream(requests) {
        for await (const { data } of requests) yield { value: data };
      },
    });
    const simple = await connect(t, address);
    let left = 3;
    const bare = {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          Promise.resolve(left-- > 0 ? { done: false, value: { data: `${left}` } } : { done: true, value: undefined }),
      }),
    } as AsyncIterable<{ data: string }>;
    assert.deepEqual(await values(simple.routeBidiStream(bare)), ["2", "1", "0"]);
  });

  it("end with return when the response is complete before them, with throw when the call fails", async () => {
    const { transport, server } = inMemory();
    const ends: string[] = [];
    const endless = (name: string): AsyncIterable<{ data: string }> => ({
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: () => (ends.push(`${name} return`), Promise.resolve({ done: true, value: undefined })),
        throw: (error: ConnectError) => (ends.push(`${name} throw ${error.code}`), Promise.reject(error)),
      }),
    });
    const good = transport.stream(Simple.method.routeBidiStream, undefined, undefined, undefined, endless("good"));
    const bad = failure(
      transport.stream(Simple.method.routeBidiStream, undefined, undefined, undefined, endless("bad")),
    );
    await settled();
    server.send(frame.headers(1, GRPC), done(1), frame.headers(3, [...GRPC, ["grpc-status", "7"]], END_HEADERS_STREAM));
    assert.equal((await (await good).message[Symbol.asyncIterator]().next()).done, true);
    assert.equal((await bad).error.code, Code.PermissionDenied);
    assert.deepEqual(ends, ["good return", `bad throw 7`, "bad return"]);
  });

  it("that fail end the call with their error", async () => {
    const { transport, connection } = inMemory();
    async function* requests() {
      yield { data: "one" };
      throw new Error("no more");
    }
    const { error } = await failure(
      transport.stream(Simple.method.routeClientStream, undefined, undefined, undefined, requests()),
    );
    assert.deepEqual([error.code, error.rawMessage, connection.requests.active.size], [Code.Internal, "no more", 0]);
  });
});

describe("a response", () => {
  it("that nobody reads to its end is closed with return", async () => {
    const { transport, server, connection } = inMemory();
    const opened = transport.stream(Simple.method.routeServerStream, undefined, undefined, undefined, none());
    await settled();
    server.send(frame.headers(1, GRPC), frame.data(1, message(1)), frame.data(1, message(2)));
    for await (const { value } of (await opened).message) {
      assert.equal(value, "a");
      break;
    }
    await settled();
    assert.equal(server.frames().at(-1)?.type, FrameType.rstStream);
    assert.equal(connection.requests.active.size, 0);
  });

  it("may be asked for several messages at once, and they come in order", async () => {
    const { transport, server } = inMemory();
    const opened = transport.stream(Simple.method.routeServerStream, undefined, undefined, undefined, none());
    await settled();
    server.send(frame.headers(1, GRPC));
    const reader = (await opened).message[Symbol.asyncIterator]();
    const asked = [reader.next(), reader.next(), reader.next(), reader.next()];
    server.send(frame.data(1, message(1)), frame.data(1, message(2)), frame.headers(1, [["grpc-status", "9"]], 5));
    assert.deepEqual([(await asked[0])?.value.value, (await asked[1])?.value.value], ["a", "aa"]);
    assert.equal((await failure(asked[2]!)).error.code, Code.FailedPrecondition);
    assert.equal((await asked[3])?.done, true);
  });

  it("comes whole from any cut into frames and chunks", async () => {
    const { transport, server } = inMemory();
    const bytes = message(300);
    for (let cut = 1, id = 1; cut < 20; cut++, id += 2) {
      const call = transport.unary(Simple.method.route, undefined, undefined, undefined, {});
      server.send(frame.headers(id, GRPC));
      for (let at = 0; at < bytes.length; at += cut) {
        const sent = frame.data(id, bytes.subarray(at, at + cut));
        server.send(sent.subarray(0, cut));
        server.send(sent.subarray(cut));
      }
      server.send(encodeFrame(FrameType.data, Flag.padded, id, new Uint8Array([2, 0, 0])), done(id));
      assert.equal((await call).message.value.length, 300);
    }
  });

  it("that can't be read fails for listeners and readers, however many wait", async () => {
    const { transport, server } = inMemory();
    for (const [id, bytes] of [[1, envelope(new Uint8Array([0xff]))], [3, message(9).subarray(0, 7)]] as const) {
      const opened = transport.stream(Simple.method.routeServerStream, undefined, undefined, undefined, none());
      await settled();
      server.send(frame.headers(id, GRPC));
      const { message: messages } = await opened;
      const told: unknown[] = [];
      (messages as unknown as EndReportingMessages).reportEndTo((error) => (told.push(error), error));
      const reader = messages[Symbol.asyncIterator]();
      const [first, second] = [failure(reader.next()), reader.next()];
      server.send(frame.data(id, bytes), done(id));
      const { error, mark } = await first;
      assert.deepEqual([mark, told], ["answered", [error]]);
      assert.equal((await second).done, true);
    }
  });

  it("with its trailers is complete in objects that were kept", async () => {
    const { transport, server } = inMemory();
    const opened = transport.stream(Simple.method.routeServerStream, undefined, undefined, undefined, none());
    await settled();
    server.send(frame.headers(1, GRPC));
    const { message, trailer } = await opened;
    assert.equal(trailer.get("x-t"), null);
    server.send(frame.headers(1, [["grpc-status", "0"], ["x-t", "u"]], END_HEADERS_STREAM));
    assert.equal((await message[Symbol.asyncIterator]().next()).done, true);
    assert.equal(trailer.get("x-t"), "u");
  });
});

describe("many calls", () => {
  it("leave nothing behind, ended well, badly, by deadline or by abort", async () => {
    const { transport, server, connection, clock } = inMemory();
    for (let id = 1; id < 8_000; id += 8) {
      const controller = new AbortController();
      const calls = [
        transport.unary(Simple.method.route, undefined, 10_000, undefined, {}),
        failure(transport.unary(Simple.method.route, undefined, 10_000, { "x-id": String(id) }, {})),
        failure(transport.unary(Simple.method.route, controller.signal, undefined, undefined, {})),
        failure(transport.unary(Simple.method.route, undefined, 10, undefined, {})),
      ];
      server.send(frame.headers(id, GRPC), frame.data(id, message(3)), done(id), frame.reset(id + 2, 2));
      controller.abort();
      if (id % 400 === 1) await clock.advance(20);
      else calls.pop();
      await Promise.all(calls);
    }
    await clock.advance(20);
    server.writes.length = 0;
    assert.deepEqual([connection.requests.active.size, connection.requests.waiting, connection.state, server.held], [
      0,
      0,
      "ready",
      false,
    ]);
    assert.equal(clock.held, 0);
    connection.close(0, 0);
    await clock.advance(20_000);
    assert.deepEqual(clock.pending, []);
  });
});
