import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeBalancer, type Described } from "../../src/balancer/describe.ts";
import type { EndpointConnection } from "../../src/connection/endpoint-connection.ts";
import { staticResolver } from "../../src/resolver/static.ts";

function text(connections: readonly Partial<EndpointConnection>[], more: Partial<Described> = {}, nowMs = 0): string {
  const all = connections.map((connection, i) => ({
    endpoint: { address: `${"abcdef"[i]}:1` },
    state: "ready",
    full: false,
    health: "serving",
    ...connection,
  }));
  const pool = { connections: all as unknown as readonly EndpointConnection[] };
  const balancer = {
    target: "users",
    pool,
    stale: undefined,
    knowledge: "known" as const,
    leftOut: undefined,
    panic: false,
  };
  return describeBalancer({ ...balancer, describeHealth: () => undefined, ...more }, nowMs);
}

describe("what is said about a service", () => {
  it("begins with how many endpoints are in which state", () => {
    assert.equal(text([{}]), "users has 1 endpoint (1 ready)");
    assert.equal(text([{}, { state: "idle" }, {}]), "users has 3 endpoints (2 ready, 1 idle)");
  });

  it("says that they are not known, that there are none, and that none can be used", () => {
    assert.equal(text([], { knowledge: "unknown" }), "the endpoints of users are not known yet");
    assert.match(text([]), /^users has no endpoints: /);
    assert.equal(text([], { target: "" }), "the resolver's list is empty");
    assert.equal(
      text([], { target: staticResolver([]).target! }),
      "the list given to staticResolver() is empty",
    );
    assert.equal(text([], { leftOut: new Error("a URL") }), "users has no endpoints that can be used: a URL");
  });

  it("says how many are busy", () => {
    assert.match(text([{ full: true }, {}]), /; 1 of them has as many calls in flight as its server allows$/);
    assert.match(text([{ full: true }, { full: true }]), /; 2 of them have as many calls in flight /);
  });

  for (
    const [what, one, many, said] of [
      [
        "held back",
        { health: new Error("not serving") },
        "and 2 more that are held back",
        "a:1 is held back: not serving",
      ],
      ["failing", { lastError: new Error("refused") }, "and 2 more that failed", "a:1: refused"],
    ] as const
  ) {
    it(`names three that are ${what}, and counts the others`, () => {
      assert.equal(text([one]), `users has 1 endpoint (1 ready); ${said}`);
      const three = text([one, one, one]);
      assert.equal(three.split("; ").length, 4);
      assert.ok(!three.includes("more"), three);
      const five = text([one, one, one, one, one]);
      assert.equal(five, `${three.replace("3 endpoints (3", "5 endpoints (5")}; ${many}`);
    });
  }

  it("says that health is not known yet, and an address once", () => {
    assert.match(text([{ health: "unknown" }]), /; a:1 is held back: its health is not known yet$/);
    assert.match(text([{ lastError: new Error("can't connect to a:1") }]), /; can't connect to a:1$/);
  });

  it("says how many are ejected, and in a panic that the sick get calls all the same", () => {
    const sick = { health: new Error("not serving") };
    const ejected = { describeHealth: () => "1 of 2 connected endpoints is ejected" };
    assert.match(
      text([sick, {}], ejected),
      /\(2 ready\); 1 of 2 connected endpoints is ejected; a:1 is held back: not /,
    );
    const panic = text([sick, sick, sick, sick], { panic: true });
    assert.match(panic, /; a:1 gets calls all the same: not serving; .*; and 1 more that do$/);
  });

  it("says for how long its list has been stale, and why", () => {
    const stale = { sinceMs: 1_000, cause: new Error("etcd is away") };
    assert.equal(text([{}], { stale }, 61_500), "users has 1 endpoint (1 ready); stale for 60.5 s: etcd is away");
  });
});
