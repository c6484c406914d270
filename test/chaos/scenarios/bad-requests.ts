import { RUNTIMES } from "../environment.ts";
import { Load, showFailure } from "../load.ts";
import { Patients } from "../patients.ts";
import type { Scenario } from "../scenario.ts";

export const badRequests: Scenario = {
  name: "bad-requests",
  title: "requests that crash every handler (Internal), and calls with 1 ms to answers that take 10 ms",
  bound: "nobody is ejected; other calls are all answered",
  limitMs: 60_000,
  async run(environment) {
    const { figures, quick } = environment;
    const patients = new Patients(environment, await environment.sickServers(RUNTIMES.map((name) => [name, 1])));
    const { addresses, transport } = patients;
    const load = new Load(await environment.caller(transport), { kinds: ["unary"], concurrency: 8 });
    await patients.picked(addresses, 20);
    const call = await environment.caller(transport);
    let bad = 0;
    for (let round = 0; round < (quick ? 50 : 500); round++) {
      const calls = Array.from(
        { length: 16 },
        (_, i) =>
          call("unary", i % 2 === 0 ? "poison" : "late", i % 2 === 0 ? {} : { timeoutMs: 1 }).catch(() => bad++),
      );
      await Promise.all(calls);
    }
    const records = await load.stop();
    figures.atLeast("bad calls", bad, quick ? 400 : 4_000);
    figures.note("other calls", records.length);
    figures.none("of those failed", records.filter(({ error }) => error !== undefined).map(showFailure));
    figures.none("ejected", patients.ejections.map(({ address }) => address));
  },
};
