import { describe, it } from "node:test";
import { CASES } from "./cases.ts";

/** Random each time, and printed by the error of a case that fails. */
const seed = Math.floor(Math.random() * 1_000_000_000);

/** Cases of a kind; of those that take ten times as long fewer, which still find a fault put in many times over. */
const MANY = 3_000, FEWER = 1_000;

describe("random traffic", () => {
  for (const [name, { play, share }] of Object.entries(CASES)) {
    it(`${name}: every outcome is a value or a typed error`, async () => {
      for (let i = 0; i < (share < 1 ? FEWER : MANY); i++) {
        try {
          await play(seed + i);
        } catch (error) {
          throw new Error(`case ${seed + i} failed`, { cause: error });
        }
        if (i % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      }
    });
  }
});
