import type { Attempt } from "../../call/observer.ts";
import type { View } from "../output.ts";
import { type CallRow, codeName } from "./call-statistics.ts";
import type { MadeCall } from "./made-call.ts";

/** The calls of `-n`, by endpoint; the last row is that of all. */
export const CALLS: View<CallRow & { readonly title: string }> = {
  columns: [
    {
      title: "ENDPOINT",
      text: ({ title }) => title,
      paint: ({ endpoint }) => endpoint === undefined ? "bold" : "name",
    },
    { title: "CALLS", text: ({ calls }) => String(calls), right: true },
    {
      title: "ERRORS",
      text: ({ errors }) => String(errors),
      paint: ({ errors }) => errors > 0 ? "bad" : undefined,
      right: true,
    },
    { title: "ATTEMPTS", text: ({ attempts }) => String(attempts), right: true },
    { title: "P50", text: ({ p50Ms }) => msText(p50Ms), right: true },
    { title: "P99", text: ({ p99Ms }) => msText(p99Ms), right: true },
    { title: "MAX", text: ({ maxMs }) => msText(maxMs), right: true },
  ],
  name: ({ title }) => title,
};

/** One row as JSON. */
export function rowJson({ endpoint, p50Ms, p99Ms, maxMs, ...counts }: CallRow): object {
  return {
    ...endpoint !== undefined && { endpoint },
    ...counts,
    p50Ms: rounded(p50Ms),
    p99Ms: rounded(p99Ms),
    maxMs: rounded(maxMs),
  };
}

/** What happened to a call, in a line. */
export function callText({ attempts, latencyMs, error }: MadeCall): string {
  const last = attempts.at(-1)?.endpoint.address ?? "no endpoint";
  const tried = attempts.length > 1
    ? ` after ${attempts.length} attempts (${attempts.map(attemptText).join("; ")})`
    : "";
  const ended = error === undefined ? "answered" : codeName(error.code);
  return `${last}: ${ended} in ${msText(latencyMs)}${tried}`;
}

/** What happened to a call, as JSON. */
export function callJson({ attempts, latencyMs, error }: MadeCall): object {
  return {
    endpoint: attempts.at(-1)?.endpoint.address ?? null,
    latencyMs: rounded(latencyMs),
    code: error === undefined ? "OK" : codeName(error.code),
    ...error !== undefined && { error: error.rawMessage },
    attempts: attempts.map(({ endpoint, end, code, latencyMs: ms, hedge }) => ({
      endpoint: endpoint.address,
      end,
      code: code === undefined ? "OK" : codeName(code),
      latencyMs: rounded(ms),
      ...hedge && { hedge },
    })),
  };
}

function attemptText({ endpoint, code, end }: Attempt): string {
  return `${endpoint.address} ${code === undefined ? "OK" : `${codeName(code)}, ${end}`}`;
}

function msText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 1_000) / 1_000;
}
