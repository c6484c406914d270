// What connect-lb relies on of Consul, as statements that hold for the stand-in and for Consul's own agent.
import { after, afterEach, before, beforeEach, describe } from "node:test";
import { standIn } from "./agent.ts";
import { type Backend, type BackendAgent, type BackendOptions, Setting, TOKENS } from "./backend.ts";
import { aclStatements } from "./contract/acl.ts";
import { catalogStatements } from "./contract/catalog.ts";
import { registrationStatements } from "./contract/registration.ts";
import { registryStatements } from "./contract/registry.ts";
import { resolverStatements } from "./contract/resolver.ts";
import { realAgent } from "./real-agent.ts";

type Statements = (setting: () => Setting) => void;

function holds(what: string, backend: Backend, statements: Statements, options: BackendOptions = {}): void {
  describe(`${what}, on ${backend.name}`, { skip: backend.skip }, () => {
    let agent: BackendAgent | undefined, setting: Setting | undefined;
    before(async () => {
      // Some runtimes run this for tests that are left out, too.
      if (backend.skip === false) agent = await backend.open(options);
    });
    after(() => agent?.close());
    beforeEach(() => {
      if (agent !== undefined) setting = new Setting(agent, options.acl ? TOKENS.management : undefined);
    });
    afterEach(async () => {
      await setting?.end();
      await setting?.forget();
    });
    statements(() => setting as Setting);
  });
}

for (const backend of [standIn, realAgent]) {
  holds("a resolver of a registry in Consul", backend, resolverStatements);
  holds("a registration in Consul", backend, registrationStatements);
  holds("a registry in Consul", backend, registryStatements);
  holds("a registry in Consul with ACLs", backend, aclStatements, { acl: true });
}
holds("a resolver of a registry in Consul", realAgent, catalogStatements);
