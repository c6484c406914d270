import { describe, it } from "node:test";
import { connectionCase, hpackCase } from "./cases.ts";

/** Random each time, and printed by the error of a case that fails. */
const seed = Math.floor(Math.random() * 1_000_000_000);

describe("random traffic from a server", () => {
  for (const [name, play] of [["frames", connectionCase], ["header blocks", hpackCase]] as const) {
    it(`${name}: every outcome is a value or a typed error`, async () => {
      for (let i = 0; i < 3_000; i++) {
        play(seed + i);
        if (i % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      }
    });
  }
});
