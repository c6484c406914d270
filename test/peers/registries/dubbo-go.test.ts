// Whether the layouts of Dubbo are what dubbo-go reads and writes: registrations of both meet in one etcd.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createEtcdRegistry, dubboApplication, dubboInterface, type EtcdRegistry } from "../../../src/etcd.ts";
import type { Endpoint } from "../../../src/endpoint.ts";
import { type Etcd, etcdSkipped, startEtcd } from "../../support/etcd.ts";
import { eventually } from "../../support/eventually.ts";
import { type Child, start } from "../../support/process.ts";
import { registryProgram, withoutProgram } from "./build.ts";

/** A service of both: an application of that name, and an interface. */
const SERVICE = "org.apache.Greeter";

describe("dubbo-go's registries", { skip: etcdSkipped || withoutProgram("dubbo-go") }, () => {
  let etcd: Etcd, applications: EtcdRegistry, interfaces: EtcdRegistry;
  before(async () => {
    etcd = await startEtcd();
    const endpoints = [etcd.url];
    applications = createEtcdRegistry({ endpoints, layout: dubboApplication() });
    interfaces = createEtcdRegistry({ endpoints, layout: dubboInterface({ parameters: { weight: "30" } }) });
  });
  after(async () => {
    await Promise.all([applications.close(), interfaces.close()]);
    await etcd.stop();
  });

  async function register(...args: string[]): Promise<Child> {
    const program = start(registryProgram("dubbo-go"), [`127.0.0.1:${etcd.port}`, ...args]);
    await program.line(/^registered$/);
    return program;
  }

  /** The endpoints of a service, without what is another each time. */
  async function listed(registry: EtcdRegistry, service: string): Promise<readonly Endpoint[]> {
    const { endpoints = [] } = await registry.resolver(service).list!(AbortSignal.timeout(20_000));
    return endpoints.map(({ incarnation: _, ...endpoint }) => endpoint);
  }

  it("have applications and interfaces of dubbo-go, and no longer once they are taken back", async () => {
    const program = await register(SERVICE, "10.0.0.5", "9000");
    try {
      assert.deepEqual(await listed(applications, SERVICE), [{
        address: "10.0.0.5:9000",
        weight: 100,
        metadata: { "dubbo.metadata.revision": "1", team: "<a>" },
      }]);
      const [endpoint] = await listed(interfaces, SERVICE);
      assert.equal(endpoint?.address, "10.0.0.5:9000");
      assert.equal(endpoint?.weight, 150);
      const { interface: name, methods, side } = endpoint?.metadata as Record<string, string>;
      assert.deepEqual({ name, methods, side }, { name: SERVICE, methods: "Route", side: undefined });
      // dubbo-go writes a key for each part of the path, without a service.
      const names = (await interfaces.list(AbortSignal.timeout(20_000))).map(({ service }) => service);
      assert.deepEqual(names, [SERVICE]);
      program.endInput();
      assert.equal((await program.exited).code, 0);
      await eventually("nobody serves", async () => (await listed(applications, SERVICE)).length === 0);
    } finally {
      await program.kill();
    }
  });

  it("have applications and interfaces that this library registers", async () => {
    const program = await register("consumer", "10.0.0.9", "9000");
    const service = "org.apache.Ours";
    const application = applications.register({
      service,
      address: "10.0.0.6:9000",
      zone: "eu",
      metadata: { "dubbo.metadata.revision": "2" },
    });
    const provider = interfaces.register({ service, address: "10.0.0.7:9000" });
    try {
      await Promise.all([application.ready, provider.ready]);
      program.write(`application ${service}\ninterface ${service}\n`);
      const facts = "10.0.0.6:9000 10.0.0.6:9000 enabled true healthy true map[dubbo.metadata.revision:2 zone:eu]";
      const [line] = await program.line(new RegExp(`^application ${service} .*$`));
      assert.equal(line, `application ${service} ${facts}`);
      const [other] = await program.line(new RegExp(`^interface ${service} .*$`));
      assert.equal(other, `interface ${service} 10.0.0.7:9000 tri weight 30`);
      await application.close();
      const from = program.lines.length;
      program.write(`application ${service}\n`);
      assert.equal((await program.line(/^application .*$/, { from }))[0], `application ${service} 0`);
    } finally {
      await Promise.all([application.close(), provider.close()]);
      await program.kill();
    }
  });
});
