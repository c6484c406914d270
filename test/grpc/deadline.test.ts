// The end of a call whose server, or whose connection, is faster than the deadline's own timer.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, type Interceptor, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import type { GrpcOptions } from "../../src/grpc/client/options.ts";
import { createGrpcTransport } from "../../src/grpc/client/transport.ts";
import { ErrorCode } from "../../src/http2/wire/error.ts";
import { deadlinesOf } from "../../src/time/deadline.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { fakeConnector } from "../support/fake-links.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { envelope } from "../support/raw-http2/session.ts";
import { END_HEADERS_STREAM, frame, OK, pair } from "../http2/memory.ts";
import { failure } from "./link.ts";

/** Due in the middle of the timer's slot, which ends 3 ms later. */
const TIMEOUT_MS = 1_001;
const GRPC = [...OK, ["content-type", "application/grpc"]] as const;
const A = envelope(new Uint8Array([0x12, 1, 0x61]));
const through: Interceptor = (next) => (request) => next(request);

/** Where a deadline may be kept: at the call or the transport, beside interceptors or not, under a balancer or not. */
const places: Record<string, { link?: GrpcOptions; timeoutMs?: number; balancer?: { interceptors?: Interceptor[] } }> =
  {
    "a link's call": { timeoutMs: TIMEOUT_MS },
    "a link by default": { link: { defaultTimeoutMs: TIMEOUT_MS } },
    "a link's call with interceptors": { link: { interceptors: [through] }, timeoutMs: TIMEOUT_MS },
    "a link by default with interceptors": { link: { interceptors: [through], defaultTimeoutMs: TIMEOUT_MS } },
    "a balanced call": { balancer: {}, timeoutMs: TIMEOUT_MS },
    "a balanced call with interceptors": { balancer: { interceptors: [through] }, timeoutMs: TIMEOUT_MS },
    "a balanced link by default": { balancer: {}, link: { defaultTimeoutMs: TIMEOUT_MS } },
    "a balanced link by default with interceptors": {
      balancer: { interceptors: [through] },
      link: { interceptors: [through], defaultTimeoutMs: TIMEOUT_MS },
    },
  };

const kinds = ["route", "routeServerStream", "routeClientStream", "routeBidiStream"] as const;

/** A transport to a server in memory, ready for a call. */
async function prepared({ link, balancer }: (typeof places)[string]) {
  const clock = new ManualClock();
  const { server, connection } = pair({ clock });
  const grpc = createGrpcTransport(() => connection, { authority: "test", scheme: "http", clock, ...link });
  if (balancer === undefined) return { clock, server, connection, transport: grpc };
  const { connector } = fakeConnector({ auto: true, transport: () => grpc });
  const resolver = staticResolver(["a:1"]);
  const transport = createBalancedTransport({ resolver, connector, clock, retry: false, ...balancer });
  const connected = transport.connect();
  await clock.advance(40);
  await connected;
  return { clock, server, connection, transport };
}

async function* one(): AsyncGenerator<{ data: string }> {
  yield { data: "one" };
}

/** A call of a kind, read to its end. */
async function call(
  transport: Transport,
  kind: (typeof kinds)[number],
  timeoutMs: number | undefined,
  signal?: AbortSignal,
): Promise<string[]> {
  if (kind === "route") {
    return [(await transport.unary(Simple.method.route, signal, timeoutMs, undefined, {})).message.value];
  }
  const { message } = await transport.stream(Simple.method[kind], signal, timeoutMs, undefined, one());
  const values: string[] = [];
  for await (const { value } of message) values.push(value);
  return values;
}

/** How a call ends that goes on for some time, and then has something happen to it. */
async function ending(
  place: (typeof places)[string],
  kind: (typeof kinds)[number],
  afterMs: number,
  happens: (peer: Awaited<ReturnType<typeof prepared>>, abort: AbortController) => void,
): Promise<Code> {
  const peer = await prepared(place);
  const abort = new AbortController();
  const failed = failure(call(peer.transport, kind, place.timeoutMs, abort.signal));
  await settled();
  // A stream may have begun.
  if (kind === "routeServerStream") peer.server.send(frame.headers(1, GRPC), frame.data(1, A));
  await peer.clock.advance(afterMs);
  happens(peer, abort);
  const { error } = await failed;
  await peer.clock.advance(10);
  return error.code;
}

const cancelled: Parameters<typeof ending>[3] = ({ server }) => server.send(frame.reset(1, ErrorCode.CANCEL));
const broken: Parameters<typeof ending>[3] = ({ server }) => server.events.closed(new Error("ECONNRESET"));

describe("a call that fails before it is made", () => {
  const throws: Record<string, Interceptor> = {
    "is given its call": () => () => {
      throw new Error("no token");
    },
    "is made": () => {
      throw new Error("no token");
    },
  };
  for (const [when, interceptor] of Object.entries(throws)) {
    it(`because an interceptor throws when it ${when} leaves no deadline behind`, async () => {
      for (const place of [{ link: { interceptors: [interceptor] } }, { balancer: { interceptors: [interceptor] } }]) {
        for (const kind of kinds) {
          const { clock, transport } = await prepared(place);
          const { error } = await failure(call(transport, kind, 60_000));
          assert.match(error.message, /no token/);
          assert.equal(deadlinesOf(clock).pending, 0, kind);
        }
      }
    });
  }

  it("because its metadata can't be sent leaves no deadline behind either", async () => {
    const { clock, transport } = await prepared({ link: { interceptors: [through] } });
    await failure(transport.unary(Simple.method.route, undefined, 60_000, { "bad name": "x" }, {}));
    await failure(transport.stream(Simple.method.routeBidiStream, undefined, 60_000, { "bad name": "x" }, one()));
    assert.equal(deadlinesOf(clock).pending, 0);
  });
});

for (const [name, place] of Object.entries(places)) {
  describe(`a deadline of ${name}`, () => {
    for (const kind of kinds) {
      it(`is what ended ${kind} if the server cancels it then, however late the timer is`, async () => {
        assert.equal(await ending(place, kind, TIMEOUT_MS + 1, cancelled), Code.DeadlineExceeded);
        // A server's timer may be a little early.
        assert.equal(await ending(place, kind, TIMEOUT_MS - 3, cancelled), Code.DeadlineExceeded);
        assert.equal(await ending(place, kind, TIMEOUT_MS - 100, cancelled), Code.Canceled);
      });

      it(`is what ended ${kind} if the connection is lost then`, async () => {
        assert.equal(await ending(place, kind, TIMEOUT_MS + 1, broken), Code.DeadlineExceeded);
        assert.equal(await ending(place, kind, TIMEOUT_MS - 3, broken), Code.Unavailable);
      });

      it(`is not what ended ${kind} if its caller aborted it then, or the server says what is wrong`, async () => {
        assert.equal(await ending(place, kind, TIMEOUT_MS + 1, (_, abort) => abort.abort()), Code.Canceled);
        const said = await ending(place, kind, TIMEOUT_MS + 1, ({ server }) => {
          const status = [["grpc-status", String(Code.DataLoss)]] as const;
          const head = kind === "routeServerStream" ? status : [...GRPC, ...status];
          server.send(frame.headers(1, head, END_HEADERS_STREAM));
        });
        assert.equal(said, Code.DataLoss);
      });
    }

    it("takes nothing from a stream that is complete and has only its reader to wait for", async () => {
      const { clock, server, transport } = await prepared(place);
      const opened = transport.stream(Simple.method.routeServerStream, undefined, place.timeoutMs, undefined, one());
      await settled();
      server.send(frame.headers(1, GRPC), frame.data(1, A), frame.data(1, A));
      const reader = (await opened).message[Symbol.asyncIterator]();
      assert.equal((await reader.next()).value?.value, "a");
      await clock.advance(TIMEOUT_MS - 1);
      server.send(frame.headers(1, [["grpc-status", String(Code.OutOfRange)]], END_HEADERS_STREAM));
      await clock.advance(10_000);
      assert.equal((await reader.next()).value?.value, "a");
      assert.equal((await failure(reader.next())).error.code, Code.OutOfRange);
      assert.equal(clock.held, 0);
    });

    it("ends a stream that isn't complete, at once and for its interceptors too", async () => {
      const { clock, server, connection, transport } = await prepared(place);
      const opened = transport.stream(Simple.method.routeServerStream, undefined, place.timeoutMs, undefined, one());
      await settled();
      server.send(frame.headers(1, GRPC), frame.data(1, A));
      const reader = (await opened).message[Symbol.asyncIterator]();
      await clock.advance(TIMEOUT_MS + 5);
      assert.equal(connection.requests.active.size, 0);
      assert.equal((await failure(reader.next())).error.code, Code.DeadlineExceeded);
      assert.equal(clock.held, 0);
    });
  });
}

describe("interceptors", () => {
  it("see a request's signal abort when the deadline passes, and not because their response is complete", async () => {
    for (const balanced of [false, true]) {
      for (const complete of [false, true]) {
        const signals: AbortSignal[] = [];
        const noting: Interceptor = (next) => (request) => (signals.push(request.signal), next(request));
        const { clock, server, transport } = await prepared(
          balanced ? { balancer: { interceptors: [noting] } } : { link: { interceptors: [noting] } },
        );
        const opened = transport.stream(Simple.method.routeServerStream, undefined, TIMEOUT_MS, undefined, one());
        await settled();
        server.send(frame.headers(1, GRPC));
        await opened;
        if (complete) server.send(frame.headers(1, [["grpc-status", "0"]], END_HEADERS_STREAM));
        await clock.advance(TIMEOUT_MS + 5);
        assert.deepEqual(signals.map(({ aborted }) => aborted), [!complete]);
      }
    }
  });

  it("that took all of a call's time leave none for an attempt", async () => {
    const { clock, server, transport } = await prepared({
      link: { interceptors: [(next) => async (request) => (await clock.advance(TIMEOUT_MS + 1), next(request))] },
    });
    for (const kind of kinds) {
      assert.equal((await failure(call(transport, kind, TIMEOUT_MS))).error.code, Code.DeadlineExceeded);
    }
    await clock.advance(10);
    assert.deepEqual([server.frames().filter(({ streamId }) => streamId > 0), clock.held], [[], 0]);
  });
});
