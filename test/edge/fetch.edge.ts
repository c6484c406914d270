// Runs in `npm run test:edge`, on Node: `fetchConnector` in workerd, without `nodejs_compat`.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { eventually } from "../support/eventually.ts";
import { type Http1Server, startHttp1Server } from "../support/servers/http1.ts";
import type { CallsReport, KindsReport } from "./fetch-worker.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

/** Answers with its name. */
async function serve(name: string, port?: number): Promise<Http1Server> {
  return await startHttp1Server((router) => {
    router.service(Simple, {
      route({ data }) {
        if (data === "fail") throw new ConnectError("as asked: ✓", Code.FailedPrecondition);
        return data === "wait" ? new Promise(() => {}) : { value: name };
      },
      async *routeServerStream({ data }) {
        for (let i = 0; i < 3; i++) yield { value: data === "" ? name : `${data} ${i}` };
      },
      async routeClientStream(requests) {
        const texts: string[] = [];
        for await (const { data } of requests) texts.push(data);
        return { value: texts.join() };
      },
    });
  }, port === undefined ? {} : { port });
}

describe("fetchConnector in workerd", () => {
  let workerd: Workerd, servers: Http1Server[], addresses: string;
  before(async () => {
    workerd = await startWorkerd("test/edge/fetch-worker.ts", { services: { NETWORK: "internet" } });
  });
  beforeEach(async () => {
    servers = await Promise.all(["a", "b", "c"].map((name) => serve(name)));
    addresses = servers.map(({ address }) => address).join();
  });
  afterEach(() => Promise.all(servers.map((server) => server.close())));
  after(() => workerd.stop());

  for (const protocol of ["connect", "grpc-web"]) {
    for (const binding of ["", "&binding"]) {
      it(`makes calls of each kind that fetch carries: ${protocol}${binding && " through a binding"}`, async () => {
        const query = `/?protocol=${protocol}&addresses=${addresses}&kinds${binding}`;
        const { bidi, timeout, unary, ...rest } = await workerd.json<KindsReport>(query);
        assert.deepEqual(rest, {
          serverStream: ["b 0", "b 1", "b 2"],
          clientStream: "a,b,c",
          failure: "FailedPrecondition as asked: ✓",
        });
        assert.match(unary, /^[abc]$/);
        assert.match(bidi, /^Unimplemented .* is a bidirectional stream, which fetch can't carry: use grpcConnector/);
        assert.match(timeout, /^DeadlineExceeded/);
      });
    }

    it(`leaves a dead server out over many requests, some at once, and takes it back: ${protocol}`, async () => {
      const ask = (calls: number) =>
        workerd.json<CallsReport>(`/?protocol=${protocol}&addresses=${addresses}&calls=${calls}`);
      const first = await ask(6);
      assert.deepEqual([...new Set(first.unary)].sort(), ["a", "b", "c"]);
      const [dead] = servers as [Http1Server];
      await dead.close();
      const reports = [await ask(3), ...await Promise.all([ask(3), ask(3), ask(3)]), await ask(3)];
      for (const { unary } of reports) for (const value of unary) assert.match(value, /^[bc]$/);
      // A stream that may have been processed is not repeated: it fails, as a probe of the endpoint at the most.
      const failed = reports.flatMap(({ streams }) => streams).filter((value) => !/^[bc]$/.test(value));
      for (const text of failed) {
        assert.match(text, /^Unavailable .* failed: the connection to .*Network connection lost/);
      }
      servers.push(await serve("a again", Number(dead.address.split(":")[1])));
      await eventually("it is back", async () => (await ask(3)).unary.includes("a again"));
    });
  }

  it("says what is wrong with the method of a binding without its object", async () => {
    const text = await workerd.json<string>(`/?protocol=connect&addresses=${addresses}&unbound`);
    assert.match(text, /^Internal option fetch is a method without its object: give the object/);
  });
});
