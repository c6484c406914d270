// Servers that do what HTTP/2 allows and few do: a caller is to notice nothing.
import { setTimeout as sleep } from "node:timers/promises";
import type { Environment } from "../environment.ts";
import type { Ledger } from "../ledger.ts";
import { Load, showFailure } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { judgeCalls } from "../verdict.ts";

export const goaway: Scenario = {
  name: "goaway",
  title: "servers that send GOAWAY every 100 calls",
  bound: "0 failed, 0 twice",
  limitMs: 30_000,
  async run(environment) {
    const ledger = await unnoticed(environment, "goaway", 3);
    environment.figures.atLeast("GOAWAYs", ledger.count("goaway"), 3);
    environment.figures.note("calls behind them", ledger.count("ignored"));
  },
};

export const refuse: Scenario = {
  name: "refuse",
  title: "servers that refuse every third stream",
  bound: "0 failed, 0 twice",
  limitMs: 30_000,
  async run(environment) {
    const ledger = await unnoticed(environment, "refuse", 3);
    environment.figures.atLeast("refused", ledger.count("refused"), 10);
  },
};

export const limit: Scenario = {
  name: "limit",
  title: "servers that take 10 concurrent streams at most",
  bound: "0 failed, 0 twice, never an 11th stream",
  limitMs: 30_000,
  async run(environment) {
    const ledger = await unnoticed(environment, "limit", 3);
    environment.figures.atMost("above the limit", ledger.count("above the limit"), 0);
  },
};

/** Calls on servers of one kind for a while, none of which may fail. */
async function unnoticed(environment: Environment, peer: string, count: number): Promise<Ledger> {
  const { figures, quick } = environment;
  const servers = await Promise.all(Array.from({ length: count }, () => environment.peer(peer)));
  const addresses = servers.map(({ address }) => address);
  const load = new Load(environment.transport(addresses));
  await sleep(quick ? 500 : 4_000);
  const records = await load.stop();
  const ledger = environment.ledger();
  const failed = judgeCalls(figures, records, ledger);
  figures.none("failed, others", failed.map(showFailure));
  return ledger;
}
