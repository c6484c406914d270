// examples/deploy.ts with a real etcd, whose gateway it asks, and with no more permissions than it says.
import assert from "node:assert/strict";
import { it } from "node:test";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { etcdSkipped, startEtcd } from "../support/etcd.ts";
import { executable, root, runtime, start } from "../support/process.ts";
import { startSimpleServer } from "../support/servers/simple.ts";

/** Once is enough: the program runs on Deno, whatever runs this test. */
const skip = runtime === "deno" ? etcdSkipped : "for Deno";

it("examples/deploy.ts spreads requests over the servers that etcd knows, with --allow-net and its variables", {
  skip,
}, async (t) => {
  const etcd = await startEtcd();
  t.after(() => etcd.stop());
  const servers = await Promise.all([1, 2, 3].map(() => startSimpleServer()));
  t.after(() => Promise.all(servers.map((server) => server.close())));
  const registry = createEtcdRegistry({ endpoints: [etcd.url] });
  t.after(() => registry.close());
  const registrations = servers.map(({ address }) => registry.register({ service: "deployed", address }));
  await Promise.all(registrations.map(({ ready }) => ready));

  const permissions = ["--no-prompt", "--allow-net", "--allow-env=PORT,SERVICE,ETCD_ENDPOINTS"];
  const program = start(executable("deno"), ["run", "--no-check", ...permissions, `${root}examples/deploy.ts`], {
    env: { PORT: "0", SERVICE: "deployed", ETCD_ENDPOINTS: etcd.url, NO_COLOR: "1" },
  });
  t.after(() => program.kill());
  const [, port] = await program.line(/Listening on http:\/\/\S+:(\d+)/);
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/${path}`);
    return {
      status: response.status,
      ...await response.json() as { value?: string; address?: string; error?: string },
    };
  };

  const answers: string[] = [];
  await eventually("all three servers answer", async () => {
    const { status, value, address } = await get("hello");
    assert.deepEqual([status, value], [200, "hello hello"]);
    answers.push(address as string);
    return new Set(answers).size === 3;
  });
  assert.deepEqual(new Set(answers), new Set(servers.map(({ address }) => address)));

  // One leaves, and the next requests go to the others.
  await registrations[0]?.close();
  await servers[0]?.close();
  for (let i = 0; i < 6; i++) assert.equal((await get("again")).status, 200);
});
