import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Turn } from "../../src/node/turn.ts";

function setUp() {
  const ends: (() => void)[] = [], ran: string[] = [];
  const time = { ms: 0 };
  const turn = new Turn(() => time.ms, (end) => ends.push(end));
  const lay = (name: string, flush = flushes[name] ??= () => ran.push(name)) => turn.atEnd(flush);
  const flushes: Record<string, () => void> = {};
  return { ends, ran, time, lay };
}

describe("a turn", () => {
  it("flushes each once at its end, in the order in which they came", () => {
    const { ends, ran, lay } = setUp();
    for (const name of ["a", "b", "a", "b"]) lay(name);
    assert.deepEqual([ends.length, ran], [1, []]);
    ends[0]!();
    assert.deepEqual(ran, ["a", "b"]);
    lay("a");
    assert.equal(ends.length, 2);
    ends[1]!();
    assert.deepEqual(ran, ["a", "b", "a"]);
  });

  it("that takes long makes what was laid wait no longer than a millisecond or so", () => {
    const { ends, ran, time, lay } = setUp();
    lay("a");
    time.ms = 1;
    lay("a");
    assert.deepEqual(ran, []);
    time.ms = 3;
    lay("b");
    assert.deepEqual(ran, ["a"]);
    for (const end of ends) end();
    assert.deepEqual(ran, ["a", "b"]);
  });
});
