import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { block, freePorts, run, withPorts } from "../docs/as-printed.ts";
import { executable, start } from "../support/process.ts";

const PAGE = "docs/nestjs-jest.md";

/** Compiles and runs Nest's server and client of the page; the client is asked over HTTP, and both are stopped. */
export async function runNest(folder: string, etcd: string): Promise<void> {
  const ports = await freePorts(etcd);
  writeFileSync(join(folder, "tsconfig.json"), block(`${PAGE}: NestJS (2)`));
  writeFileSync(join(folder, "server.ts"), withPorts(block(`${PAGE}: A server`), ports));
  writeFileSync(join(folder, "client.ts"), withPorts(block(`${PAGE}: A client`), ports));
  run(folder, "npx", "tsc");

  const server = start(executable("node"), ["dist/server.js"], { cwd: folder });
  const client = start(executable("node"), ["dist/client.js"], { cwd: folder });
  try {
    await server.line(/type: 'registered'/, { timeoutMs: 60_000 });
    await client.line(/Nest application successfully started/, { timeoutMs: 60_000 });
    const response = await fetch(`http://127.0.0.1:${ports.web}/?data=nest`);
    assert.equal(await response.text(), "hello nest", [...server.lines, ...client.lines].join("\n"));
    for (const child of [client, server]) {
      child.signal("SIGTERM");
      // After its hooks Nest ends itself by the same signal.
      assert.equal((await child.exited).signal, "SIGTERM", child.lines.join("\n"));
    }
  } finally {
    await server.kill();
    await client.kill();
  }
  console.log(`${PAGE}: NestJS: a server called by a client, both stopped`);
}
