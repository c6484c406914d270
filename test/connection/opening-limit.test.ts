import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OpeningLimit } from "../../src/connection/opening-limit.ts";
import { settled } from "../support/manual-clock.ts";

describe("OpeningLimit", () => {
  it("has no more openings in progress than it allows, and starts the others in their turn", async () => {
    const limit = new OpeningLimit(2);
    const started: number[] = [], ends: (() => void)[] = [];
    for (let i = 0; i < 5; i++) {
      limit.admit(() => {
        started.push(i);
        return new Promise((resolve) => ends[i] = resolve);
      });
    }
    assert.deepEqual(started, [0, 1]);
    ends[1]!();
    await settled();
    assert.deepEqual(started, [0, 1, 2]);
    ends[0]!();
    ends[2]!();
    await settled();
    assert.deepEqual(started, [0, 1, 2, 3, 4]);
  });

  it("begins no opening in the midst of another", () => {
    const limit = new OpeningLimit(3);
    const story: string[] = [];
    const open = (name: string, next?: string) => () => {
      story.push(`${name} begins`);
      if (next !== undefined) limit.admit(open(next));
      story.push(`${name} has begun`);
      return undefined;
    };
    limit.admit(open("a", "b"));
    assert.deepEqual(story, ["a begins", "a has begun", "b begins", "b has begun"]);
  });

  it("takes any number of openings that are no longer needed, also when each leads to the next", () => {
    const limit = new OpeningLimit(1);
    let admitted = 0;
    const admit = () => {
      if (++admitted < 100_000) limit.admit(admit);
      return undefined;
    };
    limit.admit(admit);
    assert.equal(admitted, 100_000);
  });
});
