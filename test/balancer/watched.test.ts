import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { WatchedBalancer } from "../../src/balancer/watched.ts";
import { makeConnection } from "../../src/connection/make-connection.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import type { Resolver } from "../../src/resolver/resolver.ts";
import type { Clock } from "../../src/time/clock.ts";
import { fakeConnector } from "../support/fake-links.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

/** A balancer by the clock of a request: once that is over, no timer of it fires. */
function balancerIn(
  t: TestContext,
  resolver: Partial<Resolver>,
  timersBelongToRequests: boolean,
  idleTimeoutMs: number,
) {
  const clock = new ManualClock(), events: string[] = [];
  const request = { over: false };
  const ofRequest: Clock = {
    now: () => clock.now(),
    timer: (ms, callback) => clock.timer(ms, () => request.over || callback()),
  };
  const printed = t.mock.method(console, "error", () => {});
  const balancer = new WatchedBalancer({
    target: "simple",
    async *resolve(signal) {
      yield { endpoints: [{ address: "a:1" }] };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    ...resolver,
  }, {
    target: "simple",
    connector: fakeConnector({ auto: true }).connector,
    makeConnection,
    policy: roundRobin(),
    checks: [],
    panicShare: 0,
    clock: ofRequest,
    random: () => 0,
    onEvent: ({ type }) => void events.push(type),
    backoff: { initialMs: 1_000, maxMs: 1_000 },
    removedStreamGraceMs: undefined,
    idleTimeoutMs,
  }, timersBelongToRequests);
  return { balancer, events, clock, request, printed };
}

/** A balancer whose watch began in a request that then ended. */
async function afterRequest(t: TestContext, resolver: Partial<Resolver>, timersBelongToRequests: boolean) {
  const { balancer, events, clock, request, printed } = balancerIn(t, resolver, timersBelongToRequests, Infinity);
  balancer.start();
  await settled();
  request.over = true;
  for (let call = 0; call < 5; call++) {
    await clock.advance(2_000);
    balancer.checkWatch();
  }
  return { balancer, events, printed: printed.mock.calls.map(({ arguments: [text] }) => String(text)) };
}

const refresh = () => {};

describe("a watch that ended with the request in which it began", () => {
  it("is noticed by later calls: printed once, and the set counts as stale, with what to do", async (t) => {
    const { balancer, events, printed } = await afterRequest(t, { refresh }, true);
    assert.match(String(balancer.stale?.cause), /no longer watched.*request.*use createPullTransport\(\)/);
    assert.equal(events.filter((type) => type === "endpoints-stale").length, 1);
    assert.equal(printed.length, 1);
    assert.match(printed[0]!, /^connect-lb: the endpoints are no longer watched/);
    assert.match(balancer.describe(), /stale for .*no longer watched/);
    await balancer.close(0);
  });

  it("is no loss for a resolver that can't be refreshed, such as a static one", async (t) => {
    const { balancer, printed } = await afterRequest(t, {}, true);
    assert.deepEqual([balancer.stale, printed], [undefined, []]);
    await balancer.close(0);
  });

  it("is not looked for where timers don't belong to requests", async (t) => {
    const { balancer, printed } = await afterRequest(t, { refresh }, false);
    assert.deepEqual([balancer.stale, printed], [undefined, []]);
    await balancer.close(0);
  });
});

describe("a watch in a request", () => {
  it("leaves no timer when it ends because there were no calls", async (t) => {
    const { balancer, clock } = balancerIn(t, { refresh }, true, 60_000);
    balancer.start();
    await settled();
    assert.ok(clock.pending.length > 0);
    await clock.advance(60_000);
    assert.deepEqual(clock.pending, []);
    await balancer.close(0);
  });
});
