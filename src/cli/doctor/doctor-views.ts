import { shownText } from "../../shown-text.ts";
import type { View } from "../output.ts";
import type { ProbedEndpoint } from "./endpoint-probes.ts";
import type { EtcdMember } from "./etcd-members.ts";

/** The endpoints of etcd, as the doctor saw them. */
export const MEMBERS: View<EtcdMember> = {
  columns: [
    { title: "ETCD", text: ({ endpoint }) => endpoint.address, paint: () => "name" },
    {
      title: "STATE",
      text: ({ trouble, status }) => trouble?.kind ?? (status?.leaderId === 0n ? "no leader" : "answers"),
      paint: ({ trouble, status }) => trouble !== undefined || status?.leaderId === 0n ? "bad" : "good",
    },
    { title: "VERSION", text: ({ status }) => status?.version },
    { title: "LEADER", text: ({ status }) => status && (status.leaderId === status.memberId ? "yes" : "no") },
    { title: "REVISION", text: ({ status }) => status?.header.revision.toString(), right: true },
    { title: "DATABASE", text: ({ status }) => status && bytesText(Number(status.dbSizeBytes)), right: true },
    { title: "CLOCK", text: ({ clockAheadMs }) => clockAheadMs === undefined ? undefined : ahead(clockAheadMs) },
  ],
  name: ({ endpoint }) => endpoint.address,
  json: ({ endpoint, trouble, status, clockAheadMs }) => ({
    address: endpoint.address,
    ...trouble !== undefined && { trouble: trouble.kind, error: shownText(trouble.text) },
    ...status !== undefined && {
      version: status.version,
      memberId: status.memberId.toString(16),
      leaderId: status.leaderId === 0n ? null : status.leaderId.toString(16),
      revision: status.header.revision,
      databaseBytes: Number(status.dbSizeBytes),
    },
    ...clockAheadMs !== undefined && { clockAheadMs: Math.round(clockAheadMs) },
  }),
};

/** The servers, as the doctor saw them. */
export const PROBED: View<ProbedEndpoint> = {
  columns: [
    { title: "SERVER", text: ({ endpoint }) => endpoint.address, paint: () => "name" },
    { title: "SERVICE", text: ({ services }) => services.join(", ") },
    {
      title: "STATE",
      text: ({ trouble }) => trouble?.kind ?? "answers",
      paint: ({ trouble }) => trouble === undefined ? "good" : "bad",
    },
    { title: "CONNECT", text: ({ greeting }) => greeting && `${greeting.connectMs.toFixed(1)} ms`, right: true },
    { title: "PING", text: ({ greeting }) => greeting && `${greeting.pingMs.toFixed(1)} ms`, right: true },
    { title: "TLS", text: ({ look }) => look === undefined ? undefined : "yes" },
    { title: "STREAMS", text: ({ greeting }) => greeting && streamsText(greeting.settings), right: true },
    { title: "PINGS", text: ({ greeting }) => greeting && (greeting.limitsPings ? "limited" : "free") },
    {
      title: "HEALTH",
      text: ({ health }) => health,
      paint: ({ health }) => health === "SERVING" ? "good" : "doubtful",
    },
  ],
  name: ({ endpoint }) => endpoint.address,
  json: ({ endpoint, services, trouble, greeting, look, health }) => {
    const { incarnation: _, metadata: __, ...attributes } = endpoint;
    return {
      ...attributes,
      services,
      ...trouble !== undefined && { trouble: trouble.kind, error: shownText(trouble.text) },
      ...greeting !== undefined && {
        connectMs: rounded(greeting.connectMs),
        pingMs: rounded(greeting.pingMs),
        limitsPings: greeting.limitsPings,
        settings: {
          maxConcurrentStreams: finite(greeting.settings.maxConcurrentStreams),
          maxHeaderListBytes: finite(greeting.settings.maxHeaderListSize),
          streamWindowBytes: greeting.settings.initialWindowSize,
          maxFrameBytes: greeting.settings.maxFrameSize,
        },
      },
      ...look !== undefined && { certificateValidTo: look.validTo?.toISOString() ?? null },
      ...health !== undefined && { health },
    };
  },
};

function bytesText(bytes: number): string {
  return bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(0)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function ahead(ms: number): string {
  // The measurement is no better than that.
  if (Math.abs(ms) < 1_000) return "same";
  return `${Math.abs(ms / 1_000).toFixed(0)} s ${ms > 0 ? "ahead" : "behind"}`;
}

/** A server that says nothing, or the largest number, sets no limit. */
function streamsText({ maxConcurrentStreams: most }: { readonly maxConcurrentStreams: number }): string {
  return most >= 0x7fff_ffff ? "no limit" : String(most);
}

function finite(value: number): number | null {
  return value === Infinity ? null : value;
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
