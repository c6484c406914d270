// How many calls a transport's snapshot counts as started, succeeded, failed and abandoned: each once, whatever happened
// to it.
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

/** So many calls; what is not given is 0. */
function counts(started: number, succeeded: number, failed: number, abandoned = 0) {
  return { started, succeeded, failed, abandoned };
}

const read = async (messages: AsyncIterable<unknown>) => {
  for await (const _ of messages);
};

describe("the calls of a transport", () => {
  it("are counted when they begin, and when they end", async () => {
    const { transport, client, ready } = balanced({ links: { auto: true, transport: routes } });
    const calls = () => transport.snapshot().calls;
    assert.deepEqual(calls(), counts(0, 0, 0));
    await ready();
    await client.route({ data: "a" });
    await read(client.routeServerStream({ data: "a" }));
    assert.deepEqual(calls(), counts(2, 2, 0));
    await assert.rejects(client.route({ data: "fail" }));
    await assert.rejects(read(client.routeServerStream({ data: "fail" })));
    assert.deepEqual(calls(), counts(4, 2, 2));
    const abort = new AbortController();
    const hanging = assert.rejects(client.route({ data: "hang" }, { signal: abort.signal }));
    assert.deepEqual(calls(), counts(5, 2, 2));
    abort.abort();
    await hanging;
    assert.deepEqual(calls(), counts(5, 2, 2, 1));
  });

  it("count when they fail before their first attempt", async () => {
    const { transport, client, clock } = balanced({ links: { auto: false } });
    const calls = () => transport.snapshot().calls;
    await assert.rejects(client.route({ data: "a" }, { timeoutMs: 0 }));
    await assert.rejects(client.route({ data: "a" }, { signal: AbortSignal.abort() }));
    assert.deepEqual(calls(), counts(2, 0, 1, 1));
    const late = assert.rejects(client.route({ data: "a" }, { timeoutMs: 100 }));
    const stream = assert.rejects(read(client.routeServerStream({ data: "a" }, { timeoutMs: 100 })));
    await clock.advance(200);
    await Promise.all([late, stream]);
    assert.deepEqual(calls(), counts(4, 0, 3, 1));
    await transport.close();
    await assert.rejects(client.route({ data: "a" }));
    await assert.rejects(read(client.routeServerStream({ data: "a" })));
    assert.deepEqual(calls(), counts(6, 0, 5, 1));
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
    assert.deepEqual(transport.snapshot().calls, counts(1, 1, 0));
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
    assert.deepEqual(transport.snapshot().calls, counts(1, 1, 0));
    assert.equal(transport.snapshot().endpoints!.reduce((sum, { succeeded }) => sum + succeeded, 0), 3);
  });

  it("don't count as failed what nobody wanted any more: slower hedges, aborted calls, streams not read to their end", async () => {
    const { transport, client, clock, ready } = balanced({
      defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 3, delayMs: 10 }) } } },
      links: { auto: true, transport: routes },
    });
    await ready();
    const sum = (field: "failed" | "abandoned" | "inFlight") => {
      return transport.snapshot().endpoints!.reduce((all, endpoint) => all + endpoint[field], 0);
    };
    const abort = new AbortController();
    const hanging = assert.rejects(client.route({ data: "hang" }, { signal: abort.signal }));
    await clock.advance(20);
    assert.equal(sum("inFlight"), 3);
    abort.abort();
    await hanging;
    await clock.advance(0);
    assert.deepEqual({ failed: sum("failed"), abandoned: sum("abandoned") }, { failed: 0, abandoned: 3 });
    assert.deepEqual(transport.snapshot().calls, counts(1, 0, 0, 1));
    const leaving = new AbortController();
    await assert.rejects(async () => {
      for await (const _ of client.routeServerStream({ data: "a" }, { signal: leaving.signal })) leaving.abort();
    });
    assert.deepEqual({ failed: sum("failed"), abandoned: sum("abandoned") }, { failed: 0, abandoned: 4 });
    assert.deepEqual(transport.snapshot().calls, counts(2, 0, 0, 2));
    await assert.rejects(client.route({ data: "fail" }));
    assert.deepEqual({ failed: sum("failed"), abandoned: sum("abandoned") }, { failed: 1, abandoned: 4 });
  });

  it("count a hedge that was slower as abandoned", async () => {
    let answer = () => {};
    const { transport, client, clock, ready } = balanced({
      defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 2, delayMs: 10 }) } } },
      links: {
        auto: true,
        transport: () => ({
          unary: (_method, signal) =>
            new Promise((resolve, reject) => {
              signal?.addEventListener("abort", () => reject(ConnectError.from(signal.reason, Code.Canceled)));
              answer = () => resolve({ message: {} } as never);
            }),
          stream: () => Promise.reject(new Error("none")),
        }),
      },
    });
    await ready();
    const call = client.route({ data: "a" });
    await clock.advance(10);
    answer();
    await call;
    await clock.advance(0);
    const ends = () => {
      const { endpoints } = transport.snapshot();
      const sum = (field: "succeeded" | "failed" | "abandoned") => endpoints!.reduce((all, e) => all + e[field], 0);
      return { succeeded: sum("succeeded"), failed: sum("failed"), abandoned: sum("abandoned") };
    };
    assert.deepEqual(ends(), { succeeded: 1, failed: 0, abandoned: 1 });
    assert.deepEqual(transport.snapshot().calls, counts(1, 1, 0));
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
    assert.deepEqual(transport.snapshot().calls, counts(2, 1, 1));
  });

  it("are those of each transport that shares connections", async () => {
    const { transport, client, ready } = balanced({ links: { auto: true, transport: routes } });
    const other = transport.withPolicy(roundRobin());
    await ready();
    await client.route({ data: "a" });
    assert.deepEqual(transport.snapshot().calls, counts(1, 1, 0));
    assert.deepEqual(other.snapshot().calls, counts(0, 0, 0));
  });
});
