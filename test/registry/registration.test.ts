import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RegistrationLife } from "../../src/registry/registration-life.ts";
import type { RegistrationState } from "../../src/registry/registry.ts";
import { ManualClock } from "../support/manual-clock.ts";

const STATES: readonly RegistrationState[] = ["pending", "registered", "suspect", "lost", "closed"];
/** How to get to each state. */
const PATHS: Readonly<Record<RegistrationState, readonly RegistrationState[]>> = {
  pending: [],
  registered: ["registered"],
  suspect: ["registered", "suspect"],
  lost: ["registered", "lost"],
  closed: ["closed"],
};
const ALLOWED = [
  "pending → registered",
  "pending → closed",
  "registered → suspect",
  "registered → lost",
  "registered → closed",
  "suspect → registered",
  "suspect → lost",
  "suspect → closed",
  "lost → registered",
  "lost → closed",
];

describe("the life of a registration", () => {
  it("has these transitions and no others, and reports each once", () => {
    const seen: string[] = [];
    for (const from of STATES) {
      for (const to of STATES) {
        const told: RegistrationState[] = [];
        const life = new RegistrationLife(new ManualClock(), (state) => told.push(state));
        for (const state of PATHS[from]) life.to(state);
        const before = told.length;
        const changed: boolean = life.to(to);
        assert.equal(typeof changed, "boolean");
        if (changed) seen.push(`${from} → ${to}`);
        assert.equal(life.state, seen.includes(`${from} → ${to}`) ? to : from);
        assert.equal(told.length - before, seen.includes(`${from} → ${to}`) ? 1 : 0);
      }
    }
    assert.deepEqual(seen.sort(), [...ALLOWED].sort());
  });

  it("resolves ready at its first success, once", async () => {
    const clock = new ManualClock();
    const life = new RegistrationLife(clock, undefined);
    const ready = life.ready;
    assert.equal(clock.held, 1);
    life.to("registered");
    await ready;
    assert.equal(clock.held, 0);
    life.to("closed");
    await life.ready;
  });

  it("keeps no process alive for a `ready` that is requested after it has registered", () => {
    const clock = new ManualClock();
    const life = new RegistrationLife(clock, undefined);
    life.to("registered");
    void life.ready;
    assert.equal(clock.held, 0);
  });

  it("rejects ready when closed before, with the reason", async () => {
    const life = new RegistrationLife(new ManualClock(), undefined);
    life.to("closed", new Error("etcd was away"));
    await assert.rejects(life.ready, (error: Error) => (error.cause as Error).message === "etcd was away");
    const other = new RegistrationLife(new ManualClock(), undefined);
    other.to("closed");
    await assert.rejects(other.ready, (error: Error) => !("cause" in error));
  });

  it("survives a listener that throws", (t) => {
    const printed = t.mock.method(console, "error", () => {});
    const life = new RegistrationLife(new ManualClock(), () => assert.fail("listener"));
    assert.equal(life.to("registered"), true);
    assert.equal(printed.mock.callCount(), 1);
  });
});
