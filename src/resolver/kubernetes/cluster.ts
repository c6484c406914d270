import { type Fetch, type Fetcher, isFetch } from "../../fetcher.ts";
import {
  anything,
  type Check,
  checkOptions,
  type Checks,
  fn,
  kind,
  required,
  secret,
  wrongOption,
} from "../../option.ts";

/** How the API server of a Kubernetes cluster is reached. */
export interface KubernetesCluster {
  /** Its URL: `https://…`, or `http://…` without a token, such as the one of `kubectl proxy`. */
  readonly server: string;
  /** The namespace of services whose resolver names none. Defaults to `default`. */
  readonly namespace?: string | (() => Promise<string>);
  /**
   * Returns the token that is sent with a request. It is called for each one, at least every five minutes while a
   * service is watched, because the tokens of service accounts are replaced long before they expire.
   */
  readonly token?: () => string | Promise<string>;
  /**
   * The `fetch` to use, or an object that has one: it decides which certificates are trusted. Defaults to the runtime's,
   * which trusts public CAs; `httpsFetch({ ca })` of `connect-lb/node` trusts the cluster's.
   */
  readonly fetch?: Fetch | Fetcher;
}

const CLUSTER: Checks<KubernetesCluster> = {
  // It could have a password, for which there is no use.
  server: required(secret('the URL of an API server, such as "https://10.0.0.1:6443"', isServer)),
  // Checked where it is used.
  namespace: anything,
  token: fn("a function, () => token"),
  fetch: kind("a function like fetch, or an object with such a method", isFetch),
};

/** Checks the option `cluster`. */
export const aCluster: Check = (name, value) => {
  if (typeof value !== "object" || value === null) {
    throw wrongOption(name, value, "an object with server, such as inCluster()");
  }
  const cluster = value as KubernetesCluster;
  checkOptions("kubernetesResolver()", cluster, CLUSTER, `${name}.`);
  if (cluster.token !== undefined && new URL(cluster.server).protocol !== "https:") {
    throw new TypeError(`option ${name}.token needs a server with TLS: expected https://…, not ${cluster.server}`);
  }
};

/** A namespace or a service's name: they are parts of URLs. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** @throws TypeError unless it is a name as Kubernetes has them, an RFC 1123 label */
export const aLabel: Check = kind(
  "a name of at most 63 lower-case letters, digits and inner hyphens",
  (value) => typeof value === "string" && LABEL.test(value),
);

function isServer(value: unknown): boolean {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && username + password + search + hash === "";
}
