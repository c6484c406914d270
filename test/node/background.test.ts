import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector } from "../../src/node.ts";
import { eventually } from "../support/eventually.ts";
import { failureOf } from "../support/balanced.ts";
import { runtime, startScript } from "../support/process.ts";
import { serveRoutes } from "../support/serve-routes.ts";

/** Answers calls, except for those with the text "never"; of these it counts those in flight. */
async function startServer() {
  const open = { now: 0, most: 0 };
  const never = async (data: string, signal: AbortSignal) => {
    if (data !== "never") return { value: `hello ${data}` };
    open.most = Math.max(open.most, ++open.now);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    open.now--;
    return {};
  };
  const server = await serveRoutes((router) =>
    router.service(Simple, {
      route: ({ data }, { signal }) => never(data, signal),
      async *routeServerStream({ data }, { signal }) {
        yield { value: "the first message" };
        yield await never(data, signal);
      },
    })
  );
  return { server, open };
}

describe("calls of a policy's own", () => {
  it("keep no process alive", async (t) => {
    const { server, open } = await startServer();
    t.after(() => server.close());
    const child = startScript(runtime, "test/node/background-program.ts", [`127.0.0.1:${server.port}`]);
    t.after(() => child.kill());
    await child.line(/^hello call$/);
    assert.deepEqual(await child.exited, { code: 0, signal: null }, child.lines.join("\n"));
    assert.equal(open.most, 2, "both were in flight");
  });

  it("go through the link's interceptors, and end with the link, however long others go on", async (t) => {
    const { server, open } = await startServer();
    t.after(() => server.close());
    const seen: string[] = [];
    const link = grpcConnector({
      interceptors: [(next) => (request) => {
        seen.push(request.method.name);
        return next(request);
      }],
    })({ address: `127.0.0.1:${server.port}` }, { draining() {}, lost() {} });
    await link.connect!(AbortSignal.timeout(10_000));
    const simple = createClient(Simple, link.background!);
    assert.equal((await simple.route({ data: "x" })).value, "hello x");
    const [background, other] = [simple, createClient(Simple, link.transport)]
      .map((client) => failureOf(client.route({ data: "never" })));
    await eventually("both are there", () => open.now === 2);
    const closed = link.close(Infinity);
    assert.equal((await background as ConnectError).code, Code.Unavailable);
    await eventually("one is left", () => open.now === 1);
    await Promise.all([link.close(0), closed]);
    assert.ok(await other instanceof Error);
    assert.deepEqual(seen, ["Route", "Route", "Route"]);
    assert.equal(link.background, link.background);
  });
});
