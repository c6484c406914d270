import { Code, ConnectError } from "@connectrpc/connect";
import { ForeignError } from "../peers/clients/ordered.ts";
import type { Ledger } from "./ledger.ts";
import { type CallRecord, showFailure } from "./load.ts";
import type { Figures } from "./scenario.ts";

/**
 * What holds for calls in every scenario; returns those of methods that aren't idempotent and failed. A call that passed
 * its deadline counts as failed unless `timeoutMs` is below `impatientMs`, which means that it was meant to.
 */
export function judgeCalls(
  figures: Figures,
  records: readonly CallRecord[],
  ledger: Ledger,
  impatientMs = 0,
): readonly CallRecord[] {
  // One whose connection was lost just when its deadline came may say that instead.
  const impatient = (record: CallRecord) =>
    record.timeoutMs < impatientMs && (timedOut(record.error) || lateness(record) >= 0);
  const failed = records.filter((record) => record.error !== undefined && !impatient(record));
  const idempotent = failed.filter(({ kind }) => kind === "idempotent");
  const twice = records.filter(({ id, kind }) => kind !== "idempotent" && ledger.times(id) > 1);
  figures.note("calls", records.length);
  figures.none("failed, idempotent", idempotent.map(showFailure));
  figures.none("processed twice", twice.map(({ id }) => `${id} was processed ${ledger.times(id)} times`));
  // Else the ledger could not be believed.
  const unseen = records.filter(({ id, error }) => error === undefined && ledger.times(id) === 0);
  if (unseen.length > 0) figures.fail(`${unseen.length} answered calls are in no ledger, for example ${unseen[0]!.id}`);
  const late = records.filter((record) => !(lateness(record) <= figures.slackMs));
  if (late.length > 0) figures.fail(`${late.length} calls ended after their deadline: ${showFailure(late[0]!)}`);
  return failed.filter(({ kind }) => kind !== "idempotent");
}

/** How long after its deadline a call ended, in milliseconds; negative: before it. */
export function lateness({ startMs, endMs, timeoutMs }: CallRecord): number {
  return (endMs ?? NaN) - startMs - timeoutMs;
}

/** Whether a call failed because its deadline passed. */
export function timedOut(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.DeadlineExceeded;
}

/** Why a failed call does not explain itself as a lost one must; undefined if it does. */
export function unexplained(record: CallRecord, addresses: readonly string[]): string | undefined {
  const { error } = record;
  const complain = (why: string) => `${why}: ${showFailure(record)}`;
  if (!(error instanceof ConnectError)) return complain("no ConnectError");
  if (error.code !== Code.Unavailable) return complain(`code ${Code[error.code]}`);
  if (error instanceof ForeignError) {
    const [attempt, ...others] = record.attempts;
    if (attempt === undefined || others.length > 0) return complain("not one attempt");
    return attempt.end === "maybe-processed" && addresses.includes(attempt.endpoint.address)
      ? undefined
      : complain(`lost elsewhere than on ${addresses.join(" or ")}`);
  }
  const cause = error.cause;
  if (!(cause instanceof AggregateError) || !/^attempts: 1\. /.test(cause.message)) return complain("no attempts");
  if (!addresses.some((address) => cause.message.includes(`${address} maybe-processed`))) {
    return complain(`lost elsewhere than on ${addresses.join(" or ")} (${cause.message})`);
  }
  return undefined;
}
