import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { type Lab, type RegistryScenario, runScenario } from "./lab.ts";

describe("a scenario of the registry that takes too long", () => {
  it("is ended, and starts nothing behind its end that nobody would end", async () => {
    let late: Lab | undefined;
    const scenario: RegistryScenario = {
      name: "endless",
      title: "endless",
      bound: "",
      limitMs: 1,
      run(lab) {
        late = lab;
        return new Promise(() => {});
      },
    };
    const [outcome] = await runScenario(scenario, ["node"], ["connect"], false);
    assert.match(outcome!.broken.join(), /it took over 1 ms/);
    assert.throws(() => late!.open({}), /the scenario has ended/);
    await assert.rejects(late!.etcd(), /the scenario has ended/);
    let ended = false;
    late!.defer(() => ended = true);
    await eventually("what was on its way is ended", () => ended);
  });
});
