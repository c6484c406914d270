import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { eventually } from "../../support/eventually.ts";
import { ForeignError } from "../../peers/clients/ordered.ts";
import { RUNTIMES } from "../environment.ts";
import { type CallRecord, Load, showFailure } from "../load.ts";
import { Patients } from "../patients.ts";
import type { Scenario } from "../scenario.ts";

export const allSick: Scenario = {
  name: "all-sick",
  title: "all servers answer every call with Unavailable, and recover",
  bound: "a panic: calls go to all of them, each gets at least half of its share, and errors say so; over with the " +
    "first answers, and then no call fails",
  limitMs: 90_000,
  async run(environment) {
    const { figures, quick } = environment;
    const patients = new Patients(environment, await environment.sickServers(RUNTIMES.map((name) => [name, 1])));
    const { addresses, transport } = patients;
    const load = new Load(await environment.caller(transport), { kinds: ["unary"], concurrency: 32 });
    await patients.picked(addresses, 20);
    await patients.become("unavailable", addresses);
    await eventually("a panic", () => transport.snapshot().panic);
    const panicMs = performance.now();
    const before = picks(patients);
    if (quick) await patients.picked(addresses, 20);
    else await sleep(12_000);
    const shares = picks(patients).map((count, i) => count - before[i]!);
    const total = shares.reduce((sum, count) => sum + count, 0);
    const wellMs = performance.now();
    await patients.become("well", addresses);
    await eventually("the end of the panic", () => !transport.snapshot().panic);
    const overMs = performance.now() - wellMs;
    await patients.picked(addresses, 20);
    const calmMs = performance.now();
    await patients.picked(addresses, 20);
    const records = await load.stop();

    const during = records.filter(({ startMs, endMs }) => startMs > panicMs && endMs! < wellMs);
    figures.note("calls in the panic", during.length);
    figures.atLeast("least share of them", 100 * Math.min(...shares) / total, 100 / addresses.length / 2, "%");
    figures.none("unexplained", during.filter((record) => !explained(record)).map(showFailure));
    figures.within("over after", overMs, 1_000);
    const after = records.filter(({ startMs, error }) => startMs > calmMs && error !== undefined);
    figures.none("failed after that", after.map(showFailure));
  },
};

function picks(patients: Patients): number[] {
  return patients.addresses.map((address) => patients.at(address)!.picks);
}

/** It fails as the server said, and its cause is what the client knows; through a proxy comes what the server said. */
function explained({ error }: CallRecord): boolean {
  return error instanceof ConnectError && error.code === Code.Unavailable && error.rawMessage === "out of order" &&
    (error instanceof ForeignError || /panic: 0 of 3 connected endpoints pass health checks/.test(String(error.cause)));
}
