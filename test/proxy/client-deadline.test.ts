// Clients reset calls whose deadline passes, a little before it does at the proxy.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code } from "@connectrpc/connect";
import type { Attempt } from "../../src/call/observer.ts";
import { linkedSignal } from "../../src/proxy/web/stream-answer.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ErrorCode, FrameType } from "../support/raw-http2/frame.ts";
import type { RawSession } from "../support/raw-http2/session.ts";
import { call, rawProxy, request, Requests } from "./raw.ts";

/** A call with a timeout of 1 s at a server that doesn't answer. */
async function begun(t: TestContext) {
  const clock = new ManualClock(), attempts: Attempt[] = [];
  const arrived = Promise.withResolvers<RawSession>();
  const { client, proxy } = await rawProxy(t, [async (session) => {
    await session.handshake();
    await new Requests(session).next();
    arrived.resolve(session);
    await session.left();
  }], { options: { clock }, to: { clock, onAttempt: (attempt) => void attempts.push(attempt) } });
  const id = call(client, request("/any.Thing/Unary", [["grpc-timeout", "1S"]]));
  return { attempts, client, clock, id, proxy, server: await arrived.promise };
}

const reset = async (session: RawSession) => {
  const { payload } = await session.read(({ type }) => type === FrameType.rstStream);
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
};

describe("a client that leaves a call", () => {
  it("shortly before its deadline leaves because of that: the server has let it pass", async (t) => {
    const { attempts, client, clock, id, proxy, server } = await begun(t);
    await clock.advance(960);
    client.rst(id, ErrorCode.cancel);
    await eventually("its call is over", () => proxy.snapshot().calls.failed === 1);
    assert.equal(attempts.length, 0);
    await clock.advance(50);
    assert.equal(await reset(server), ErrorCode.cancel);
    assert.deepEqual(attempts.map(({ code, end }) => [code, end]), [[Code.DeadlineExceeded, "maybe-processed"]]);
    const [{ failed, abandoned, inFlight }] = proxy.snapshot().routes[0]!.transport.endpoints as [never];
    assert.deepEqual([failed, abandoned, inFlight], [1, 0, 0]);
  });

  it("earlier says nothing about the server, which learns of it at once", async (t) => {
    const { attempts, client, clock, id, proxy, server } = await begun(t);
    await clock.advance(900);
    client.rst(id, ErrorCode.cancel);
    assert.equal(await reset(server), ErrorCode.cancel);
    assert.deepEqual(attempts.map(({ code }) => code), [Code.Canceled]);
    const [{ failed, abandoned, inFlight }] = proxy.snapshot().routes[0]!.transport.endpoints as [never];
    assert.deepEqual([failed, abandoned, inFlight], [0, 1, 0]);
  });

  it("of the web is understood in the same way", () => {
    const aborted = (timeoutMs: number | undefined) => {
      const client = new AbortController(), { signal } = linkedSignal(client.signal, timeoutMs);
      client.abort();
      return signal.aborted;
    };
    assert.deepEqual([aborted(undefined), aborted(60_000), aborted(1)], [true, true, false]);
  });
});
