// Kubernetes' own API server, as `npm run kubernetes:build` builds it, or the one that CONNECT_LB_KUBE_APISERVER names,
// over a real etcd. There is no kubelet and no controller: tests write EndpointSlices themselves.
import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { httpsFetch } from "../../../src/node/https-fetch.ts";
import { etcdSkipped, freePorts, startEtcd } from "../../support/etcd.ts";
import { eventually } from "../../support/eventually.ts";
import { type Child, root, start } from "../../support/process.ts";
import { ca, server as certificate } from "../../support/tls.ts";
import type { Account, Backend, BackendServer } from "./backend.ts";
import { API_SERVER_PATH } from "./build-api-server.ts";
import type { Slice } from "./slice.ts";

const VARIABLE = "CONNECT_LB_KUBE_APISERVER";
const program = process.env[VARIABLE] ?? join(root, API_SERVER_PATH);

export const realServer: Backend = {
  name: "Kubernetes' own API server",
  skip: etcdSkipped || !existsSync(program) &&
      `there is no API server at ${program}: \`npm run kubernetes:build\` builds it, or ${VARIABLE} names another`,
  open,
};

/** Who writes the slices. */
const ADMIN = "admin-token";
const SLICES = "apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const ACCOUNTS: readonly Account[] = ["watcher", "other"];

async function open(): Promise<BackendServer> {
  const etcd = await startEtcd(), [port] = await freePorts(1);
  const folder = await mkdtemp(join(tmpdir(), "connect-lb-kubernetes-"));
  await writeFile(join(folder, "tokens.csv"), `${ADMIN},admin,1,"system:masters"\n`);
  await writeFile(join(folder, "cert.pem"), certificate.cert);
  await writeFile(join(folder, "key.pem"), certificate.key);
  await writeFile(join(folder, "accounts.pem"), accountsKey());
  const url = `https://127.0.0.1:${port}`, trusting = httpsFetch({ ca });
  const api = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const headers = { authorization: `Bearer ${ADMIN}`, "content-type": "application/json" };
    return await trusting(`${url}/${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
  };
  const done = async (response: Response): Promise<unknown> => {
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status}: ${text}`);
    return JSON.parse(text);
  };
  let child: Child | undefined;
  const run = async () => {
    const started = child = start(program, argumentsOf(port as number, etcd.url, folder));
    await eventually("the API server serves", async () => {
      return started.exit !== undefined || (await (await api("GET", "readyz")).text()) === "ok";
    }, 120_000);
    if (started.exit !== undefined) throw new Error(`the API server ended:\n${started.lines.slice(-20).join("\n")}`);
  };
  const allow = async (allowed: boolean) => {
    const bindings = "apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
    if (allowed) await done(await api("POST", bindings, BINDING));
    else await done(await api("DELETE", `${bindings}/watch-endpoints`));
  };
  const setUp = async () => {
    await run();
    for (const name of ACCOUNTS) {
      await done(await api("POST", "api/v1/namespaces/default/serviceaccounts", { metadata: { name } }));
    }
    await done(await api("POST", "apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", ROLE));
    await allow(true);
  };
  const stop = async () => void await child?.kill();
  const close = async () => {
    await stop();
    await etcd.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await setUp();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    shortWatchSeconds: 4,
    async token(account) {
      const path = `api/v1/namespaces/default/serviceaccounts/${account}/token`;
      const made = await done(await api("POST", path, { spec: { expirationSeconds: 600 } }));
      return (made as { status: { token: string } }).status.token;
    },
    allow,
    async put(...slices: readonly Slice[]) {
      for (const slice of slices) {
        const replaced = await api("PUT", `${SLICES}/${slice.metadata.name}`, slice);
        await done(replaced.status === 404 ? await api("POST", SLICES, slice) : replaced);
      }
    },
    async delete(name) {
      await done(await api("DELETE", `${SLICES}/${name}`));
    },
    stop,
    start: run,
    async restore() {
      await stop();
      await etcd.restart({ wipe: true });
      await setUp();
    },
    async clear() {
      await done(await api("DELETE", SLICES));
    },
    close,
  };
}

function argumentsOf(port: number, etcd: string, folder: string): readonly string[] {
  const file = (name: string) => join(folder, name);
  return [
    `--etcd-servers=${etcd}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    "--advertise-address=127.0.0.1",
    `--tls-cert-file=${file("cert.pem")}`,
    `--tls-private-key-file=${file("key.pem")}`,
    `--cert-dir=${file("certificates")}`,
    `--service-account-key-file=${file("accounts.pem")}`,
    `--service-account-signing-key-file=${file("accounts.pem")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--token-auth-file=${file("tokens.csv")}`,
    "--authorization-mode=RBAC",
    "--service-cluster-ip-range=10.96.0.0/24",
    "--endpoint-reconciler-type=none",
  ];
}

/** The key that signs the tokens of service accounts. */
function accountsKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  return privateKey;
}

/** As docs/resolver.md shows it. */
const ROLE = {
  metadata: { name: "watch-endpoints" },
  rules: [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list", "watch"] }],
};
const BINDING = {
  metadata: { name: "watch-endpoints" },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "watch-endpoints" },
  subjects: [{ kind: "ServiceAccount", name: "watcher", namespace: "default" }],
};
