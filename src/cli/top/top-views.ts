import type { View } from "../output.ts";
import type { TopRow } from "./top-sample.ts";

/** Endpoints at one moment. */
export const TOP: View<TopRow> = {
  columns: [
    { title: "ENDPOINT", text: ({ endpoint }) => endpoint, paint: () => "name" },
    { title: "SERVICE", text: ({ service }) => service },
    {
      title: "STATE",
      text: ({ state }) => state,
      paint: ({ state }) => state === "ready" ? "good" : state === "transient_failure" ? "bad" : "doubtful",
    },
    {
      title: "HEALTH",
      text: ({ health }) => health,
      paint: ({ health }) => /^serving$/i.test(health ?? "") ? "good" : "doubtful",
    },
    { title: "ZONE", text: ({ zone }) => zone },
    { title: "WEIGHT", text: ({ weight }) => weight?.toString(), right: true },
    { title: "IN FLIGHT", text: ({ inFlight }) => inFlight?.toString(), right: true },
    { title: "CALLS/S", text: ({ callsPerSecond }) => callsPerSecond?.toFixed(1), right: true },
    {
      title: "ERRORS/S",
      text: ({ errorsPerSecond }) => errorsPerSecond?.toFixed(1),
      paint: ({ errorsPerSecond }) => (errorsPerSecond ?? 0) > 0 ? "bad" : undefined,
      right: true,
    },
    { title: "P50", text: ({ p50Ms }) => msText(p50Ms), right: true },
    { title: "P99", text: ({ p99Ms }) => msText(p99Ms), right: true },
    { title: "WHY", text: ({ why }) => why, paint: () => "dim" },
  ],
  name: ({ endpoint }) => endpoint,
};

function msText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
}
