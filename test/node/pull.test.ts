import assert from "node:assert/strict";
import { it } from "node:test";
import { runtime, startScript } from "../support/process.ts";
import { serveRoutes } from "../support/serve-routes.ts";
import { simpleRoutes } from "../support/simple.ts";

it("a pull transport over gRPC keeps no process alive between calls, although it is not closed", async (t) => {
  const server = await serveRoutes(simpleRoutes({ name: "s" }));
  t.after(() => server.close());
  const child = startScript(runtime, "test/node/pull-program.ts", [`127.0.0.1:${server.port}`]);
  t.after(() => child.kill());
  await child.line(/^s: hello a,s: hello b,s: hello c$/);
  await child.line(/^s: hello d$/);
  assert.deepEqual(await child.exited, { code: 0, signal: null }, child.lines.join("\n"));
});
