import "../guard/globals.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { World } from "../world/world.ts";
import { backoffIsObeyed } from "./dials.ts";

const SERVER = "server0:1";

/** Plays what happens to a client's connection, each at its time in milliseconds. Returns what was broken. */
function play(...happened: readonly (readonly [atMs: number, what: "dial" | readonly [from: string, to: string]])[]) {
  const broken: string[] = [];
  let nowMs = 0;
  const world = {
    clients: [{ plan: { name: "client0", connections: 1 } }],
    servers: [{ address: SERVER }],
    client: () => ({ transport: { snapshot: () => ({ endpoints: [] }) } }),
    time: { now: () => nowMs },
    broken: (_: string, what: string) => broken.push(what),
  };
  const watch = backoffIsObeyed.watch(world as unknown as World);
  for (const [atMs, what] of happened) {
    nowMs = atMs;
    if (what === "dial") watch.dial!("client0", SERVER);
    else {
      const [from, to] = what;
      watch.event!("client0", { type: "connection-state", endpoint: { address: SERVER }, from, to } as never);
    }
  }
  return broken;
}

describe("backoff-is-obeyed", () => {
  const failed = ["connecting", "transient_failure"] as const, givenUp = ["connecting", "idle"] as const;

  it("allows a dial once the backoff is over", () => {
    assert.deepEqual(play([0, "dial"], [10, failed], [800, "dial"], [810, failed], [2_100, "dial"]), []);
    assert.deepEqual(play([0, "dial"], [10, failed], [798, "dial"]), [
      "client0 dials server0:1 798 ms after failure 1",
    ]);
  });

  it("does not count a dial that was given up, which is no failure: the backoff began with the one before", () => {
    const twice = [[0, "dial"], [10, failed], [900, "dial"], [910, failed]] as const;
    assert.deepEqual(play(...twice, [2_200, "dial"], [2_210, givenUp], [2_220, "dial"], [2_230, givenUp]), []);
    assert.deepEqual(play(...twice, [2_200, "dial"], [2_210, givenUp], [2_220, "dial"]), []);
    assert.deepEqual(play(...twice, [2_100, "dial"]), ["client0 dials server0:1 1200 ms after failure 2"]);
    assert.deepEqual(play([0, "dial"], [10, givenUp], [20, "dial"]), []);
  });
});
