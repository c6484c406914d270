// No leak in the server and in the proxy: many calls end with flat memory, and its process ends by itself. The number of
// calls comes from LEAK_CALLS (default 20,000) and LEAK_ABORTED (default a tenth of it), as for the client.
import assert from "node:assert/strict";
import process from "node:process";
import { it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { SILENT } from "../peers/servers/answers.ts";
import { direct } from "../support/direct.ts";
import { type Child, executable, runtime, start } from "../support/process.ts";
import { FLAGS, flat } from "./flat.ts";
import type { ServerMemory } from "./server-program.ts";

const CALLS = Number(process.env["LEAK_CALLS"] ?? 20_000);
const ABORTED = Number(process.env["LEAK_ABORTED"] ?? CALLS / 10);
const IN_FLIGHT = 64;
const CHECKPOINTS = 8;

/** Starts a program that listens, and can be asked what memory is in use. */
async function listening(program: string, ...args: string[]): Promise<{ child: Child; address: string }> {
  const child = start(executable(runtime), [...FLAGS[runtime], `test/leak/${program}`, ...args]);
  const { address } = JSON.parse((await child.line(/^\{.*\}$/))[0]) as { address: string };
  return { child, address };
}

it(`a server keeps nothing of ${CALLS} calls and ${ABORTED} aborted ones`, async () => {
  const { child, address } = await listening("server-program.ts");
  try {
    await leavesNothing(child, address);
  } finally {
    await child.kill();
  }
});

it(`a proxy keeps nothing of ${CALLS} calls and ${ABORTED} aborted ones`, async () => {
  const server = await listening("server-program.ts");
  const proxy = await listening("proxy-program.ts", server.address);
  try {
    await leavesNothing(proxy.child, proxy.address);
  } finally {
    await proxy.child.kill();
    await server.child.kill();
  }
});

async function leavesNothing(server: Child, address: string): Promise<void> {
  const link = direct(grpcConnector(), address);
  const client = createClient(Simple, link.transport);

  const memory = async () => {
    const from = server.lines.length;
    server.write("\n");
    return JSON.parse((await server.line(/^\{.*\}$/, { from }))[0]) as
      & Partial<ServerMemory>
      & Pick<ServerMemory, "inUse">;
  };
  const many = async (count: number, call: (i: number) => Promise<void>) => {
    const used: number[] = [];
    let next = 0;
    for (let checkpoint = 1; checkpoint <= CHECKPOINTS; checkpoint++) {
      const until = Math.round(count * checkpoint / CHECKPOINTS);
      const worker = async () => {
        while (next < until) await call(next++);
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
      used.push((await memory()).inUse);
    }
    return used;
  };
  const answered = async (i: number) => {
    const data = `call ${i}`;
    assert.equal((await client.route({ data }, { timeoutMs: 60_000 })).value, data);
  };
  const aborted = async (i: number) => {
    // More calls go well than are aborted, so that no rule against rapid resets applies.
    await answered(i);
    const abort = new AbortController();
    try {
      if (i % 3 === 0) await client.route({ data: SILENT }, { timeoutMs: 2 });
      else if (i % 3 === 1) {
        const call = client.route({ data: SILENT }, { signal: abort.signal });
        setTimeout(() => abort.abort(), 1);
        await call;
      } else {
        for await (const _ of client.routeServerStream({ data: SILENT }, { signal: abort.signal })) abort.abort();
      }
    } catch {
      return;
    }
    throw new Error("an aborted call succeeded");
  };

  try {
    const calls = await many(CALLS, answered), gone = await many(ABORTED, aborted);
    if (process.env["LEAK_CALLS"] !== undefined) console.log(JSON.stringify({ calls, gone }));
    flat(calls, CALLS, "calls");
    flat(gone, ABORTED, "aborted calls");
    assert.equal((await memory()).connections ?? 1, 1);
    await link.close();
    // It closed everything, so nothing holds it.
    const timer = setTimeout(() => server.signal("SIGKILL"), 30_000);
    server.endInput();
    assert.deepEqual(await server.exited, { code: 0, signal: null }, "it does not end by itself");
    clearTimeout(timer);
  } finally {
    await link.close();
  }
}
