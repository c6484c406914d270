// What connect-lb relies on of Kubernetes, as statements that hold for the stand-in and for Kubernetes' own API server.
import { after, afterEach, before, beforeEach, describe } from "node:test";
import { standIn } from "./api-server.ts";
import { type BackendServer, Setting } from "./backend.ts";
import { accessStatements } from "./contract/access.ts";
import { sliceStatements } from "./contract/slices.ts";
import { watchStatements } from "./contract/watch.ts";
import { realServer } from "./real-api-server.ts";

for (const backend of [standIn, realServer]) {
  describe(`a Kubernetes resolver, on ${backend.name}`, { skip: backend.skip }, () => {
    let server: BackendServer | undefined, setting: Setting | undefined;
    before(async () => {
      // Some runtimes run this for tests that are left out, too.
      if (backend.skip === false) server = await backend.open();
    });
    after(() => server?.close());
    beforeEach(() => {
      if (server !== undefined) setting = new Setting(server);
    });
    afterEach(async () => {
      setting?.end();
      await server?.clear();
    });
    for (const statements of [sliceStatements, watchStatements, accessStatements]) statements(() => setting as Setting);
  });
}
