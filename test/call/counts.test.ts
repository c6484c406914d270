// How many calls a transport's snapshot counts as started, succeeded and failed: each once, whatever happened to it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Interceptor } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { balanced } from "../support/balanced.ts";

/** A link's routes that answer by what they are asked. */
function routes() {
  return createRouterTransport((router) =>
    router.service(Simple, {
      async route({ data }, { signal }) {
        if (data === "fail") throw new ConnectError("no", Code.InvalidArgument);
        if (data === "hang") await new Promise((_, reject) => signal.addEventListener("abort", reject));
        return { value: data };
      },
      async *routeServerStream({ data }) {
        yield { value: data };
        if (data === "fail") throw new ConnectError("no", Code.InvalidArgument);
        yield { value: data };
      },
    })
  );
}

const read = async (messages: AsyncIterable<unknown>) => {
  for await (const _ of messages);
};

describe("the calls of a transport", () => {
  it("are counted when they begin, and when they end", async () => {
    const { transport, client, ready } = balanced({ links: { auto: true, transport: routes } });
    const calls = () => transport.snapshot().calls;
    assert.deepEqual(calls(), { started: 0, succeeded: 0, failed: 0 });
    await ready();
    await client.route({ data: "a" });
    await read(client.routeServerStream({ data: "a" }));
    assert.deepEqual(calls(), { started: 2, succeeded: 2, failed: 0 });
    await assert.rejects(client.route({ data: "fail" }));
    await assert.rejects(read(client.routeServerStream({ data: "fail" })));
    assert.deepEqual(calls(), { started: 4, succeeded: 2, failed: 2 });
    const abort = new AbortController();
    const hanging = assert.rejects(client.route({ data: "hang" }, { signal: abort.signal }));
    assert.deepEqual(calls(), { started: 5, succeeded: 2, failed: 2 });
    abort.abort();
    await hanging;
    assert.deepEqual(calls(), { started: 5, succeeded: 2, failed: 3 });
  });

  it("count when they fail before their first attempt", async () => {
    const { transport, client, clock } = balanced({ links: { auto: false } });
    const calls = () => transport.snapshot().calls;
    await assert.rejects(client.route({ data: "a" }, { timeoutMs: 0 }));
    await assert.rejects(client.route({ data: "a" }, { signal: AbortSignal.abort() }));
    assert.deepEqual(calls(), { started: 2, succeeded: 0, failed: 2 });
    const late = assert.rejects(client.route({ data: "a" }, { timeoutMs: 100 }));
    const stream = assert.rejects(read(client.routeServerStream({ data: "a" }, { timeoutMs: 100 })));
    await clock.advance(200);
    await Promise.all([late, stream]);
    assert.deepEqual(calls(), { started: 4, succeeded: 0, failed: 4 });
    await transport.close();
    await assert.rejects(client.route({ data: "a" }));
    await assert.rejects(read(client.routeServerStream({ data: "a" })));
    assert.deepEqual(calls(), { started: 6, succeeded: 0, failed: 6 });
  });

  it("count once, however many attempts they have", async () => {
    let refusals = 0;
    const refused = () => markAttempt(new ConnectError("refused", Code.Unavailable), "refused");
    const { transport, client, ready } = balanced({
      links: {
        auto: true,
        transport: () => ({
          unary: () => refusals-- > 0 ? Promise.reject(refused()) : Promise.resolve({ message: {} } as never),
          stream: () => Promise.reject(refused()),
        }),
      },
    });
    await ready();
    refusals = 2;
    await client.route({ data: "a" });
    assert.deepEqual(transport.snapshot().calls, { started: 1, succeeded: 1, failed: 0 });
    const { endpoints } = transport.snapshot();
    assert.equal(endpoints!.reduce((sum, { failed }) => sum + failed, 0), 2);
  });

  it("count once when they are hedged, also if a second attempt is answered after all", async () => {
    const answers: (() => void)[] = [];
    const { transport, client, clock, ready } = balanced({
      defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 3, delayMs: 10 }) } } },
      links: {
        auto: true,
        // They don't mind that they are cancelled.
        transport: () => ({
          unary: () => new Promise((resolve) => answers.push(() => resolve({ message: {} } as never))),
          stream: () => Promise.reject(new Error("none")),
        }),
      },
    });
    await ready();
    const call = client.route({ data: "a" });
    await clock.advance(20);
    assert.equal(answers.length, 3);
    for (const answer of answers) answer();
    await call;
    await clock.advance(0);
    assert.deepEqual(transport.snapshot().calls, { started: 1, succeeded: 1, failed: 0 });
    assert.equal(transport.snapshot().endpoints!.reduce((sum, { succeeded }) => sum + succeeded, 0), 3);
  });

  it("count as the balancer sees them, inside of interceptors", async () => {
    const spoil: Interceptor = (next) => async (request) => {
      await next(request);
      throw new ConnectError("spoilt", Code.DataLoss);
    };
    const { transport, client, ready } = balanced({
      interceptors: [spoil],
      links: { auto: true, transport: routes },
    });
    await ready();
    await assert.rejects(client.route({ data: "a" }), { code: Code.DataLoss });
    await assert.rejects(client.route({ data: "a" }, { timeoutMs: -1 }));
    assert.deepEqual(transport.snapshot().calls, { started: 2, succeeded: 1, failed: 1 });
  });

  it("are those of each transport that shares connections", async () => {
    const { transport, client, ready } = balanced({ links: { auto: true, transport: routes } });
    const other = transport.withPolicy(roundRobin());
    await ready();
    await client.route({ data: "a" });
    assert.deepEqual(transport.snapshot().calls, { started: 1, succeeded: 1, failed: 0 });
    assert.deepEqual(other.snapshot().calls, { started: 0, succeeded: 0, failed: 0 });
  });
});
