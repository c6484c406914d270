import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { block, freePorts, withPorts } from "../docs/as-printed.ts";
import { type Child, executable, start } from "../support/process.ts";

/** The names of the blocks, and the URL of an etcd. */
export interface Programs {
  readonly server: string;
  readonly client: string;
  readonly etcd: string;
}

/**
 * The handler of a page's server, and one that answers "slow" after a second and says when that call is there. This and
 * the ports are all that is changed.
 */
const HANDLER = "route: ({ data }) => ({ code: 200, value: `hello ${data}` })";
const SLOW = `route: async ({ data }) => {
  if (data === "slow") {
    console.log("a slow call");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  return { code: 200, value: \`hello \${data}\` };
}`;

/** Runs a server and its client of the pages: a call, then one that is in flight when the server gets SIGTERM. */
export async function serveAndStop(folder: string, { server, client, etcd }: Programs): Promise<void> {
  const ports = await freePorts(etcd);
  const printed = block(server);
  assert.ok(printed.includes(HANDLER), `${server} has the handler that is replaced`);
  writeFileSync(join(folder, "server.ts"), withPorts(printed.replace(HANDLER, SLOW), ports));
  writeFileSync(join(folder, "client.ts"), withPorts(block(client), ports));
  writeFileSync(join(folder, "slow.ts"), withPorts(block(client).replace("grpc 0", "slow"), ports));

  const serving = start(executable("node"), ["server.ts"], { cwd: folder });
  try {
    await serving.line(/type: 'registered'/, { timeoutMs: 60_000 });
    await answers(start(executable("node"), ["client.ts"], { cwd: folder }), "hello grpc 0");
    const slow = start(executable("node"), ["slow.ts"], { cwd: folder });
    await serving.line(/a slow call/, { timeoutMs: 60_000 });
    serving.signal("SIGTERM");
    await answers(slow, "hello slow");
    assert.equal((await serving.exited).code, 0, serving.lines.join("\n"));
  } finally {
    await serving.kill();
  }
  console.log(`${server}: called, and stopped with a call in flight`);
}

/** Waits for the end of a client that prints an answer. */
export async function answers(client: Child, value: string): Promise<void> {
  const { code } = await client.exited;
  const output = client.lines.join("\n");
  assert.ok(output.includes(`value: '${value}'`), output);
  assert.equal(code, 0, output);
}
