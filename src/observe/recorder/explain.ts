import { ConnectError } from "@connectrpc/connect";
import { codeOf } from "../../call/failure.ts";
import { type FailedCall, failedCallOf } from "../../call/failed-call.ts";
import { inCauses } from "../../connection/causes.ts";
import type { AttemptEnd } from "../../connection/mark.ts";
import { shownTextOf } from "../../error-text.ts";
import { shownText } from "../../shown-text.ts";
import { statusName } from "../status-name.ts";
import { adviceFor } from "./advice.ts";
import { errorText } from "./error-text.ts";
import type { RecordedAttempt, RecordedCall } from "./recorded-call.ts";
import { recordOf } from "./recorded-errors.ts";

/**
 * Why a call failed, for people: what it waited for, each of its attempts with its endpoint and how it ended, the state
 * of the service, and what to do. `error` is what a call over `createBalancedTransport` or `createPullTransport` failed
 * with, or an error that has it as its cause.
 *
 * With a `flightRecorder()` it also says where the call's time went, as long as the recorder has the call. An error of
 * another origin is named as such. It never throws. The text has several lines, and no metadata or message content; its
 * wording may change.
 */
export function explainCall(error: unknown): string {
  try {
    return explained(error);
  } catch {
    return "This can't be explained: it is no readable error.";
  }
}

function explained(error: unknown): string {
  const found = inCauses(error, (each) => {
    const call = failedCallOf(each);
    return call && { error: each, call };
  });
  if (found === undefined) return elsewhere(error);
  const { call } = found, record = recordOf(found.error), code = codeOf(found.error), text = errorText(found.error);
  const name = `${call.method.parent.typeName}/${call.method.name}`;
  return [
    `${shownText(name)} failed with ${statusName(code)}${record ? ` after ${milliseconds(record.latencyMs)}` : ""}:`,
    `  ${text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text}`,
    ...section("What it waited for:", record === undefined ? [] : waits(record)),
    ...section("What it tried:", record === undefined ? remembered(call) : recorded(record)),
    ...section("What is known now:", [shownText(call.balancer.describe(), 1_000)]),
    ...section("What to do:", adviceFor({ code, text, call, record })),
  ].join("\n");
}

function elsewhere(error: unknown): string {
  const what = error instanceof ConnectError ? `a ConnectError, ${statusName(error.code)}` : "an error";
  return [
    `This is not the failure of a call over a balanced transport, but ${error instanceof Error ? what : "no error"}:`,
    `  ${shownTextOf(error)}`,
    "It may come from another transport, from an interceptor, or from the program itself.",
  ].join("\n");
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

function waits({ waited }: RecordedCall): string[] {
  const { resolutionMs, connectionMs, roomMs, backoffMs } = waited;
  const all: readonly (readonly [number, string])[] = [
    [resolutionMs, "for the endpoints of the service"],
    [connectionMs, "for a connection that is ready"],
    [roomMs, "for room: servers had as many calls in flight as they allow"],
    [backoffMs, "before retries"],
  ];
  return all.filter(([ms]) => ms > 0).map(([ms, what]) => `${milliseconds(ms)} ${what}`);
}

const HOW: Readonly<Record<AttemptEnd, string>> = {
  answered: "was answered",
  "not-sent": "was not sent",
  refused: "was refused",
  "maybe-processed": "failed, and may have been processed",
};

const NO_ATTEMPT = "No attempt was made.";

function remembered({ attempts }: FailedCall): string[] {
  if (attempts.length === 0) return [NO_ATTEMPT];
  return attempts.map(({ address, end, error }, i) =>
    `${i + 1}. ${shownText(address)} ${HOW[end]}: ${statusName(codeOf(error))}, ${errorText(error)}`
  );
}

function recorded({ attempts, moreAttempts }: RecordedCall): string[] {
  if (attempts.length === 0) return [NO_ATTEMPT];
  const lines = attempts.map(attemptLine);
  if (moreAttempts > 0) lines.splice(-1, 0, `… and ${moreAttempts} more`);
  return lines;
}

function attemptLine(attempt: RecordedAttempt): string {
  const { code, end, endpoint, error, firstByteMs, hedge, latencyMs, number, startedMs } = attempt;
  const begun = `began after ${milliseconds(startedMs)}${hedge ? " as a hedge" : ""}`;
  const first = firstByteMs === undefined ? "" : `, its answer began after ${milliseconds(firstByteMs)}`;
  const how = end === undefined || latencyMs === undefined
    ? "was still in flight when the call ended"
    : `${HOW[end]} after ${milliseconds(latencyMs)}`;
  const why = error === undefined ? "" : `: ${code}, ${error}`;
  return `${number}. ${endpoint} ${begun}${first}, ${how}${why}`;
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
}
