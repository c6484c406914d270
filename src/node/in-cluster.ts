// The Kubernetes cluster in whose pod this program runs.

import { readFile } from "node:fs/promises";
import process from "node:process";
import type { KubernetesCluster } from "../resolver/kubernetes/cluster.ts";
import { httpsFetch } from "./https-fetch.ts";

/** Where a pod finds the credentials of its service account. */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Options of {@link inCluster}. */
export interface InClusterOptions {
  /** The folder with `token`, `ca.crt` and `namespace`. Defaults to /var/run/secrets/kubernetes.io/serviceaccount. */
  readonly folder?: string;
  /** The environment variables. Defaults to the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * The cluster of the pod that this program runs in, with the token, the CA and the namespace of its service account. The
 * files are read for each request, because the token is replaced about once an hour. (Deno asks for permissions:
 * `--allow-env=KUBERNETES_SERVICE_HOST,KUBERNETES_SERVICE_PORT --allow-read=/var/run/secrets` and `--allow-net`.)
 *
 * @throws Error if it does not run in a pod
 */
export function inCluster({ folder = SERVICE_ACCOUNT, env = process.env }: InClusterOptions = {}): KubernetesCluster {
  const host = env["KUBERNETES_SERVICE_HOST"], port = env["KUBERNETES_SERVICE_PORT"];
  if (!host || !port) {
    throw new Error(
      "this program does not run in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set. " +
        'Elsewhere give the cluster, such as cluster: { server: "http://127.0.0.1:8001" } with kubectl proxy',
    );
  }
  const read = async (name: string) => (await readFile(`${folder}/${name}`, "utf8")).trim();
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: () => read("namespace"),
    token: () => read("token"),
    fetch: httpsFetch(async () => ({ ca: await read("ca.crt") })),
  };
}
