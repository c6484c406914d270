import { Code, ConnectError } from "@connectrpc/connect";
import { caller, type Kind } from "../calls.ts";
import { type CallRecord, makeCall, newRecord, showFailure } from "../load.ts";
import { residentMiB, usedMiB } from "../memory.ts";
import { type Garbage, garbage as kinds } from "../peers/garbage.ts";
import { createTransport } from "../environment.ts";
import type { Scenario } from "../scenario.ts";
import { lateness } from "../verdict.ts";

/** Fresh connections to each server, because one that broke is not dialled again at once. */
const TRANSPORTS = 5;
const CALLS_EACH = 10;
const METHODS: readonly Kind[] = ["unary", "serverStream", "bidi", "clientStream"];

/** What a caller is to see. Canceled or Aborted would speak of what nobody did, and DeadlineExceeded of a hanging call. */
const CLEAR: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Internal,
  Code.Unknown,
  Code.Unimplemented,
  Code.InvalidArgument,
  Code.ResourceExhausted,
]);

/** How much more memory may be in use after a second round of everything. */
const GROWTH_MIB = 3;
/** How much the process may grow while a server sends without end. */
const PEAK_MIB = 128;

export const garbage: Scenario = {
  name: "garbage",
  title: "servers that violate the protocol in 30 ways, 50 calls each",
  bound: "each call fails with a clear `ConnectError`; nothing crashes, hangs or grows",
  limitMs: 180_000,
  async run(environment) {
    const { figures, quick } = environment;
    const addresses = await environment.peers("garbage");
    const startMiB = residentMiB();
    // Nothing of a call is kept, so that what is left is the library's.
    let calls = 0;
    const unclear: string[] = [];
    let peakMiB = 0;
    let firstMiB = NaN;
    const play = async (name: string, address: string, round: number) => {
      const kind = kinds[name]!;
      const records = await callsTo(address, kind, quick ? 1 : TRANSPORTS);
      calls += records.length;
      peakMiB = Math.max(peakMiB, residentMiB() - startMiB);
      unclear.push(
        ...records.filter((record) => !isClear(record, kind, figures.slackMs)).map((r) => `${name}: ${showFailure(r)}`),
      );
      if (round === 0) figures.detail(kind.does, codes(records));
    };
    for (let round = 0; round < (quick ? 1 : 2); round++) {
      if (round === 1) firstMiB = await usedMiB();
      const plays = [];
      for (const [name, address] of Object.entries(addresses)) {
        plays.push(play(name, address, round));
        // One kind at a time shows which of them needs memory; all at once is quicker.
        if (!quick) await plays.at(-1);
      }
      await Promise.all(plays);
    }
    figures.note("calls", calls);
    figures.none("unclear", unclear);
    if (quick) return;
    figures.atMost("grown by", (await usedMiB()) - firstMiB, GROWTH_MIB, "MiB");
    figures.atMost("most resident above the start", peakMiB, PEAK_MIB, "MiB");
  },
};

async function callsTo(address: string, { code, methods = METHODS }: Garbage, transports: number) {
  const timeoutMs = code === Code.DeadlineExceeded ? 1_000 : 5_000;
  const records: CallRecord[] = [];
  await Promise.all(Array.from({ length: transports }, async () => {
    const transport = createTransport([address]);
    const call = caller(transport);
    const made = Array.from({ length: CALLS_EACH }, (_, i) => newRecord(methods[i % methods.length]!, timeoutMs));
    records.push(...made);
    await Promise.all(made.map((record) => makeCall(call, record)));
    await transport.close();
  }));
  return records;
}

function isClear(record: CallRecord, { code }: Garbage, slackMs: number): boolean {
  const { error } = record;
  if (!(error instanceof ConnectError) || error.rawMessage === "" || lateness(record) > slackMs) return false;
  return CLEAR.has(error.code) || error.code === code;
}

/** For example "48 × unavailable, 2 × internal". */
function codes(records: readonly CallRecord[]): string {
  const counts = new Map<string, number>();
  for (const { error } of records) {
    const name = error instanceof ConnectError ? snake(Code[error.code]) : error === undefined ? "no error" : "other";
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([name, count]) => `${count} × ${name}`).join(", ");
}

function snake(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase();
}
