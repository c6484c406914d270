import type { Endpoint } from "../../endpoint.ts";
import type { EtcdDriver } from "../../etcd/driver/driver.ts";
import { keyRange } from "../../etcd/watch/position.ts";
import { textOf } from "../../error-text.ts";
import { shownText } from "../../shown-text.ts";
import { NO_QUORUM } from "./etcd-quorum.ts";
import type { Finding } from "./finding.ts";
import { probe, type ProbeLimits, ProbeTimeout } from "./probing.ts";

/** etcd checks passwords with bcrypt, one after another: that takes its time, in milliseconds. */
const PASSWORD_MS = 10_000;

/** Who asks etcd for what. */
export interface EtcdRequest {
  readonly driver: EtcdDriver;
  readonly endpoint: Endpoint;
  readonly user: { readonly name: string; readonly password: string } | undefined;
  /** The common beginning of the keys that are to be read; "" for all. */
  readonly prefix: string;
}

/** Whether the keys can be read, and why not. */
export interface EtcdPermission {
  readonly findings: readonly Finding[];
  /** The user's token. */
  readonly token?: string;
  readonly mayRead: boolean;
}

/** Logs in, if there is a user, and tries to read. */
export async function etcdPermission(request: EtcdRequest, limits: ProbeLimits): Promise<EtcdPermission> {
  const findings: Finding[] = [];
  const { driver, endpoint, user, prefix } = request;
  let token: string | undefined;
  if (user !== undefined) {
    try {
      const patience = { ...limits, timeoutMs: Math.max(limits.timeoutMs, PASSWORD_MS) };
      token = await probe(patience, (signal) => driver.authenticate!(user, { endpoint, signal }));
    } catch (error) {
      limits.signal.throwIfAborted();
      const finding = loginFinding(error, request);
      findings.push(finding);
      if (finding.severity === "error") return { findings, mayRead: false };
    }
  }
  const { key, rangeEnd } = rangeOf(prefix);
  try {
    await probe(limits, (signal) => driver.range({ key, rangeEnd, limit: 1n }, { endpoint, signal, token }));
    return { findings, mayRead: true, ...token !== undefined && { token } };
  } catch (error) {
    limits.signal.throwIfAborted();
    return { findings: [...findings, readFinding(error, request)], mayRead: false };
  }
}

/** The keys with a prefix; with "", all. */
export function rangeOf(prefix: string): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
  return prefix === "" ? { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) } : keyRange(prefix);
}

function loginFinding(error: unknown, { driver, endpoint, user }: EtcdRequest): Finding {
  const where = `etcd ${endpoint.address}`, name = shownText(user!.name);
  switch (driver.classify(error)) {
    case "auth-disabled":
      return {
        severity: "note",
        what: `etcd has no users: the name and the password of ${name} are not needed`,
        where,
        next: "leave them out, or turn authentication on: etcdctl auth enable",
      };
    case "refused":
      return {
        severity: "error",
        what: `etcd does not accept the user ${name} with this password`,
        where,
        next: "check the name and the password, in ETCDCTL_USER=NAME:PASSWORD for example; etcdctl user list and " +
          "etcdctl user passwd NAME show and set them",
      };
    default:
      return unansweredFinding(error, where);
  }
}

function readFinding(error: unknown, { driver, endpoint, user, prefix }: EtcdRequest): Finding {
  const where = `etcd ${endpoint.address}`, kind = driver.classify(error);
  if (kind === "token" && user === undefined) {
    return {
      severity: "error",
      what: "etcd requires a user, and none was given",
      where,
      next:
        "pass one: ETCDCTL_USER=NAME:PASSWORD in the environment, or --user NAME with ETCDCTL_PASSWORD; in programs " +
        "createEtcdRegistry({ username, password })",
    };
  }
  if (kind === "refused" || kind === "token") {
    const who = user === undefined ? "this client" : `the user ${shownText(user.name)}`;
    const keys = prefix === "" ? "all keys" : `the keys below ${shownText(prefix)}`;
    return {
      severity: "error",
      what: `${who} may not read ${keys} in etcd`,
      where,
      next: `grant it: etcdctl role grant-permission ROLE readwrite --prefix=true ${shownText(prefix) || '""'}, and ` +
        "etcdctl user grant-role NAME ROLE",
    };
  }
  return unansweredFinding(error, where);
}

/** A member that answers for itself, but not for its cluster. */
function unansweredFinding(error: unknown, where: string): Finding {
  const text = textOf(error);
  if (error instanceof ProbeTimeout || /no leader|leader changed|timed out/i.test(text)) return { ...NO_QUORUM, where };
  return {
    severity: "error",
    what: `etcd does not answer: ${shownText(text)}`,
    where,
    next: "look at etcd's log; etcdctl endpoint health shows whether it answers etcdctl",
  };
}
