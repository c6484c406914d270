// Servers that do what HTTP/2 allows and few do: a caller is to notice nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../../support/eventually.ts";
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
    const ledger = await unnoticed(environment, "goaway", (ledger) => ledger.count("goaway") >= 3);
    environment.figures.note("GOAWAYs", ledger.count("goaway"));
    environment.figures.note("calls behind them", ledger.count("ignored"));
  },
};

export const refuse: Scenario = {
  name: "refuse",
  title: "servers that refuse every third stream",
  bound: "0 failed, 0 twice",
  limitMs: 30_000,
  async run(environment) {
    const ledger = await unnoticed(environment, "refuse", (ledger) => ledger.count("refused") >= 64);
    environment.figures.note("refused", ledger.count("refused"));
  },
};

export const limit: Scenario = {
  name: "limit",
  title: "servers that take 10 concurrent streams at most",
  bound: "0 failed, 0 twice, never an 11th stream",
  limitMs: 30_000,
  async run(environment) {
    const ledger = await unnoticed(environment, "limit", () => true);
    environment.figures.atMost("above the limit", ledger.count("above the limit"), 0);
  },
};

/** Calls on servers of one kind for a while, and until what is tried has happened; none may fail. */
async function unnoticed(
  environment: Environment,
  peer: string,
  happened: (ledger: Ledger) => boolean,
): Promise<Ledger> {
  const { figures, quick } = environment;
  const transport = environment.transport(Object.values(await environment.peers(peer)));
  const load = new Load(await environment.caller(transport));
  await sleep(quick ? 500 : 4_000);
  await eventually(`what "${peer}" is for`, () => happened(environment.ledger()));
  const records = await load.stop();
  const ledger = environment.ledger();
  const failed = judgeCalls(figures, records, ledger);
  figures.none("failed, others", failed.map(showFailure));
  return ledger;
}
