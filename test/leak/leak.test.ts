// No leak: many calls end with flat memory and no open handle. The number of calls comes from LEAK_CALLS (default
// 20,000) and LEAK_ABORTED (default a tenth of it); `npm run leak` makes a million and 100,000.
import assert from "node:assert/strict";
import process from "node:process";
import { it } from "node:test";
import { type Kind, KINDS } from "../../bench/kind.ts";
import { executable, runtime, start, startScript } from "../support/process.ts";
import { FLAGS, flat } from "./flat.ts";
import type { Memory } from "./program.ts";

const CALLS = Number(process.env["LEAK_CALLS"] ?? 20_000);
const ABORTED = Number(process.env["LEAK_ABORTED"] ?? CALLS / 10);

it(`leaves nothing behind after ${CALLS} calls and ${ABORTED} aborted ones`, async () => {
  const backends = [0, 1].map(() => startScript("node", "bench/backend/responder.ts"));
  try {
    const ports = await Promise.all(backends.map(async (backend) => {
      const [line] = await backend.line(/^\{.*\}$/);
      return JSON.parse(line) as Record<Kind, string>;
    }));
    const addresses: Partial<Record<Kind, string[]>> = {};
    for (const kind of KINDS) addresses[kind] = ports.map((port) => port[kind]);
    const program = ["test/leak/program.ts", JSON.stringify(addresses), `${CALLS}`, `${ABORTED}`];
    const child = start(executable(runtime), [...FLAGS[runtime], ...program]);
    const [line] = await child.line(/^\{.*\}$/, { timeoutMs: 60_000 + CALLS });
    const memory = JSON.parse(line) as Memory;
    if (process.env["LEAK_CALLS"] !== undefined) console.log(line);
    flat(memory.calls, CALLS, "calls");
    flat(memory.aborted, ABORTED, "aborted calls");
    // It closed everything, so nothing holds it.
    const timer = setTimeout(() => child.signal("SIGKILL"), 30_000);
    assert.deepEqual(await child.exited, { code: 0, signal: null }, "the program does not end by itself");
    clearTimeout(timer);
  } finally {
    await Promise.all(backends.map((backend) => backend.kill()));
  }
});
