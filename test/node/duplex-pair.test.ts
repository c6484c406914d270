import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { describe, it } from "node:test";
import { DuplexStream } from "../../src/socket/duplex-stream.ts";
import { eventually } from "../support/eventually.ts";

describe("a byte stream over one end of a pair of duplex streams", () => {
  it("passes on what arrives while earlier data is handled after that", async () => {
    const [ours, theirs] = duplexPair();
    const log: string[] = [];
    theirs.write("1");
    new DuplexStream(ours).start({
      data(chunk) {
        const text = new TextDecoder().decode(chunk);
        log.push(`begins ${text}`);
        if (text === "1") { for (const answer of ["2", "3"]) theirs.write(answer); }
        log.push(`ends ${text}`);
      },
      writable() {},
      end() {},
      closed() {},
    });
    await eventually("all has arrived", () => log.some((entry) => entry.endsWith("3")));
    const order = log.map((entry) => entry.split(" ")[0]);
    assert.deepEqual(order, order.map((_, i) => i % 2 === 0 ? "begins" : "ends"));
  });
});
