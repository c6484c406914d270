import { Code, ConnectError } from "@connectrpc/connect";
import { caller, type Kind } from "../calls.ts";
import type { Environment } from "../environment.ts";
import { type CallRecord, makeCall, newRecord, showFailure } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { lateness, timedOut } from "../verdict.ts";

/** gRPC over HTTP/2, "Timeout": at most eight digits, and above 0 for a server to have any time. */
const VALID = /^(?!0+[a-zA-Z])[0-9]{1,8}[HMSmun]$/;

const METHODS: readonly Kind[] = ["unary", "serverStream"];
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

export const timeouts: Scenario = {
  name: "timeouts",
  title: "timeouts of 0.4 ms, 1.5 ms, 10¹², 0 and below",
  bound: "0.4 and 1.5 end in time, 10¹² is clamped and answered, 0 and below make no attempt; " +
    "never an invalid header, never an attempt without a deadline",
  limitMs: 30_000,
  async run(environment) {
    const { figures } = environment;
    const transport = environment.transport(Object.values(await environment.peers("timeouts")));
    await transport.connect();
    const call = caller(transport);
    const records: CallRecord[] = [];
    for (const timeoutMs of [0.4, 1.5, 1e12, 0, -1]) {
      const made = Array.from({ length: environment.quick ? 10 : 50 }, (_, i) => newRecord(METHODS[i % 2]!, timeoutMs));
      records.push(...made);
      await Promise.all(made.map((record) => makeCall(call, record)));
    }
    figures.note("calls", records.length);
    const attempts = records.flatMap(({ attempts }) => attempts).length;
    figures.note("attempts", attempts);
    const wrong = records.filter((record) => !asTheRulesSay(record, figures.slackMs));
    figures.none("not as expected", wrong.map((record) => `${record.timeoutMs} ms: ${showFailure(record)}`));
    const headers = heard(environment);
    figures.atLeast("headers seen", headers.length, 1);
    figures.none("invalid headers", headers.filter((header) => !VALID.test(header)));
    const longest = Math.max(...headers.filter((header) => VALID.test(header)).map(inMs));
    figures.note("longest", longest, "ms");
  },
};

/** What each time-out may lead to. */
function asTheRulesSay(record: CallRecord, slackMs: number): boolean {
  const { timeoutMs, error, attempts } = record;
  if (error !== undefined && !(error instanceof ConnectError && error.code === Code.DeadlineExceeded)) return false;
  if (timeoutMs <= 0) return timedOut(error) && attempts.length === 0;
  if (timeoutMs > 1_000) return error === undefined;
  // So short that it may be answered or not.
  return lateness(record) <= slackMs;
}

/** The time-outs that the server was told, or "none". */
function heard(environment: Environment): string[] {
  return environment.ledger().events.map((event) => event.replace(/^timeout /, ""));
}

function inMs(header: string): number {
  return Number(header.slice(0, -1)) * UNIT_MS[header.slice(-1)]!;
}
