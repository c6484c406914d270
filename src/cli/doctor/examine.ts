import type { Endpoint } from "../../endpoint.ts";
import { createConnectDriver } from "../../etcd/driver/connect/connect-driver.ts";
import type { KeyValue } from "../../etcd/driver/driver.ts";
import type { TlsSource } from "../../node/tls-options.ts";
import { shownText } from "../../shown-text.ts";
import type { EtcdTarget } from "../etcd-target.ts";
import { foundLayouts } from "../found-layouts.ts";
import { certificateExpiry, certificatesOf, shownCertificates } from "./certificate-expiry.ts";
import { duplicateAddresses } from "./duplicate-addresses.ts";
import { endpointHealth } from "./endpoint-health.ts";
import { endpointLatency, slowEndpoints } from "./endpoint-latency.ts";
import { measureAgain, type ProbedEndpoint, probeEndpoints } from "./endpoint-probes.ts";
import { endpointReachability } from "./endpoint-reachability.ts";
import { endpointSettings } from "./endpoint-settings.ts";
import { etcdClock } from "./etcd-clock.ts";
import { etcdCompaction, hasFirstRevision } from "./etcd-compaction.ts";
import { type EtcdMember, lookAtMembers } from "./etcd-members.ts";
import { etcdPermission } from "./etcd-permission.ts";
import { etcdQuorum } from "./etcd-quorum.ts";
import { etcdReachability } from "./etcd-reachability.ts";
import type { Finding } from "./finding.ts";
import { keysWithoutLease } from "./keys-without-lease.ts";
import { loopbackHosts } from "./loopback-hosts.ts";
import { otherLayouts } from "./other-layouts.ts";
import { probe, type ProbeLimits } from "./probing.ts";
import { recognisedLayouts } from "./recognised-layouts.ts";
import { type KeySource, readKeys, type RegisteredKey, registeredKeys } from "./registered-keys.ts";
import { unreadableKeys } from "./unreadable-keys.ts";

/** What is examined. */
export interface Patient {
  readonly target: EtcdTarget;
  /** Undefined: all services. */
  readonly service: string | undefined;
  /** TLS to servers that don't say whether they use it. */
  readonly serverTls: TlsSource | undefined;
  /** How long etcd, and a server, may take to answer. */
  readonly etcdLimits: ProbeLimits;
  readonly serverLimits: ProbeLimits;
  /** Called when something is begun that may take a while. */
  readonly onProgress: (what: string) => void;
}

/** What there is, and what is wrong with it. */
export interface Examination {
  readonly findings: readonly Finding[];
  readonly members: readonly EtcdMember[];
  readonly keys: readonly RegisteredKey[];
  readonly endpoints: readonly ProbedEndpoint[];
}

/** Runs all checks, from etcd to the servers; what can't be checked because of what is broken before it is left out. */
export async function examine(patient: Patient): Promise<Examination> {
  const { target, serverTls, etcdLimits, onProgress } = patient, { endpoints, options: { tls } } = target;
  const driver = createConnectDriver(target.connector);
  try {
    onProgress(`looking at etcd, ${endpoints.map(({ address }) => address).join(", ")}`);
    const members = await lookAtMembers({ driver, endpoints, tls }, etcdLimits);
    const certificates = [
      ...certificatesOf(tls, { ca: "--cacert", cert: "--cert" }),
      ...certificatesOf(serverTls, { ca: "--tls-ca", cert: "--tls-cert" }),
    ];
    const findings: Finding[] = [
      ...etcdReachability(members),
      ...certificateExpiry(certificates, Date.now()),
      ...etcdQuorum(members),
      ...etcdClock(members),
    ];
    const member = memberToAsk(members);
    if (member === undefined) return { findings, members, keys: [], endpoints: [] };
    return await examineKeys(patient, { findings, members, driver, member });
  } finally {
    await driver.close();
  }
}

/** One that answers, if possible for its cluster. */
function memberToAsk(members: readonly EtcdMember[]): EtcdMember | undefined {
  return members.find(({ status }) => status !== undefined && status.leaderId !== 0n) ??
    members.find(({ trouble, status }) => trouble === undefined && status === undefined);
}

interface Answering extends Pick<Examination, "members"> {
  readonly findings: Finding[];
  readonly driver: KeySource["driver"];
  readonly member: EtcdMember;
}

async function examineKeys(patient: Patient, { findings, members, driver, member }: Answering): Promise<Examination> {
  const { target, service, etcdLimits, onProgress } = patient, { layout, layoutName, options } = target;
  const { endpoint } = member, prefix = service === undefined ? layout.root ?? "" : layout.prefix(service);
  const permission = await etcdPermission({ driver, endpoint, user: options.user, prefix }, etcdLimits);
  findings.push(...permission.findings);
  if (!permission.mayRead) return { findings, members, keys: [], endpoints: [] };
  const { token } = permission, source = { driver, context: { endpoint, token } };
  findings.push(...await compaction(patient, member, token));

  onProgress("reading keys");
  const { kvs, truncated } = await readKeys(source, prefix, etcdLimits);
  if (truncated) findings.push({ ...TRUNCATED, where: shownText(prefix) });
  const all = prefix === "" ? kvs : await allKeys(source, etcdLimits);
  const recognised = options.layoutChosen ? [] : foundLayouts(all ?? [], service);
  if (recognised.length === 0 && service !== undefined) target.checkService(service);
  const apart = recognised.length > 0 ? recognised.map((found) => found.keys) : [registeredKeys(kvs, layout, service)];
  const keys = apart.flat();
  findings.push(
    ...recognised.length > 0
      ? recognisedLayouts(recognised, service)
      : otherLayouts({ all, layout, layoutName, service, found: await servicesThere(patient, source, keys) }),
    ...unreadableKeys(keys),
    // Clients see the keys of one layout only.
    ...apart.flatMap(duplicateAddresses),
    ...keysWithoutLease(keys),
    ...loopbackHosts(keys, target.endpoints),
  );
  const endpoints = await examineEndpoints(patient, keys, findings);
  return { findings, members, keys, endpoints };
}

async function examineEndpoints(
  { serverTls: tls, serverLimits, onProgress }: Patient,
  keys: readonly RegisteredKey[],
  findings: Finding[],
): Promise<readonly ProbedEndpoint[]> {
  const onServer = (done: number, all: number) => onProgress(`connecting to servers: ${done} of ${all}`);
  const first = await probeEndpoints(keys, { tls, onProgress: onServer }, serverLimits);
  const endpoints = await measureAgain(first, slowEndpoints(first).slow, { tls }, serverLimits);
  findings.push(
    ...endpointReachability(endpoints),
    ...certificateExpiry(shownCertificates(endpoints), Date.now()),
    ...endpointLatency(endpoints),
    ...endpointSettings(endpoints),
    ...endpointHealth(endpoints),
  );
  return endpoints;
}

const TRUNCATED: Omit<Finding, "where"> = {
  severity: "note",
  what: "there are more keys than this looks at",
  next: "pass a service's name",
};

/** Undefined if they may not be read. */
async function allKeys(source: KeySource, limits: ProbeLimits): Promise<readonly KeyValue[] | undefined> {
  try {
    return (await readKeys(source, "", limits)).kvs;
  } catch {
    limits.signal.throwIfAborted();
    return undefined;
  }
}

/** The services that the layout finds: those of the keys, or, if there are none of the service, all. */
async function servicesThere(
  { target: { layout }, service, etcdLimits }: Patient,
  source: KeySource,
  keys: readonly RegisteredKey[],
): Promise<readonly string[]> {
  if (service === undefined || keys.length > 0) return [...new Set(keys.map((key) => key.service))];
  try {
    const { kvs } = await readKeys(source, layout.root ?? "", etcdLimits);
    return [...new Set(registeredKeys(kvs, layout).map((key) => key.service))];
  } catch {
    etcdLimits.signal.throwIfAborted();
    return [];
  }
}

async function compaction(
  { target, service, etcdLimits }: Patient,
  member: EtcdMember,
  token: string | undefined,
): Promise<readonly Finding[]> {
  const { layout, options: { tls } } = target, endpoint: Endpoint = member.endpoint;
  // A key that this user may read, and that nobody has.
  const key = new TextEncoder().encode(`${service === undefined ? layout.root ?? "" : layout.prefix(service)}\0`);
  const access = { endpoint, tls, ...token !== undefined && { token } };
  let first: boolean | undefined;
  try {
    first = await probe(etcdLimits, (signal) => hasFirstRevision(access, key, signal));
  } catch {
    etcdLimits.signal.throwIfAborted();
  }
  return etcdCompaction({ member, hasFirstRevision: first });
}
