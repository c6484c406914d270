// Consul's own agent, as `npm run consul:build` builds it, or the one that CONNECT_LB_CONSUL names.
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { freePorts } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { type Child, root, start } from "../support/process.ts";
import { type Backend, type BackendAgent, type BackendOptions, NODE, TOKENS } from "./backend.ts";
import { CONSUL_PATH } from "./build-consul.ts";

const VARIABLE = "CONNECT_LB_CONSUL";
const program = process.env[VARIABLE] ?? join(root, CONSUL_PATH);

/** Consul's agent in its development mode, which keeps everything in memory: one process each, on loopback only. */
export const realAgent: Backend = {
  name: "Consul's own agent",
  skip: !existsSync(program) &&
    `there is no Consul at ${program}: \`npm run consul:build\` builds it, or ${VARIABLE} names another`,
  open,
};

async function open(options: BackendOptions = {}): Promise<BackendAgent> {
  for (let tries = 1;; tries++) {
    try {
      return await openOnce(options);
    } catch (error) {
      // Between asking the kernel for a port and Consul's binding it, another process may have taken it.
      if (tries === 5 || !/address already in use/.test(String(error))) throw error;
    }
  }
}

async function openOnce({ acl = false }: BackendOptions): Promise<BackendAgent> {
  const ports = await freePorts(3);
  const url = `http://127.0.0.1:${ports[0]}`;
  const args = ["agent", "-dev", "-node", "node-1", "-hcl", configuration(ports, acl)];
  let child: Child | undefined;
  const run = async () => {
    const started = child = start(program, args, { env: withoutConsulVariables() });
    const asked = (path: string, init: RequestInit = {}) => {
      return fetch(`${url}/v1/${path}`, { ...init, headers: acl ? { "x-consul-token": TOKENS.management } : {} });
    };
    await eventually("Consul serves", async () => {
      if (started.exit !== undefined) return true;
      // Its own node is in the catalog: it has a leader, and has written.
      return (await (await asked("health/service/consul?passing=1")).json() as unknown[]).length === 1;
    });
    if (started.exit !== undefined) throw new Error(`Consul ended; its output:\n${started.lines.join("\n")}`);
    if (!acl) return;
    for (const [name, policy] of Object.entries(POLICIES)) {
      const rules = JSON.stringify({ Name: name, Rules: policy });
      await asked("acl/policy", { method: "PUT", body: rules });
      const token = { SecretID: TOKENS[name as keyof typeof POLICIES], Policies: [{ Name: name }] };
      const made = await asked("acl/token", { method: "PUT", body: JSON.stringify(token) });
      if (!made.ok) throw new Error(`no token: ${await made.text()}`);
    }
  };
  await run();
  const stop = async () => void await child?.kill();
  return {
    url,
    stop,
    restart: async () => {
      await stop();
      await run();
    },
    close: stop,
  };
}

const POLICIES = {
  reads: 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }',
  powerless: 'service "other" { policy = "read" }',
} as const;

function configuration(ports: readonly number[], acl: boolean): string {
  return `
    bind_addr = "127.0.0.1"
    ports {
      http = ${ports[0]}, server = ${ports[1]}, serf_lan = ${ports[2]}
      serf_wan = -1, dns = -1, grpc = -1, grpc_tls = -1, https = -1
    }
    node_meta { zone = "${NODE.zone}" }
    disable_update_check = true
    ${
    acl ? `acl { enabled = true, default_policy = "deny", tokens { initial_management = "${TOKENS.management}" } }` : ""
  }
  `;
}

/** Consul's clients read their address and token from the environment; the agent some more. */
function withoutConsulVariables(): Record<string, undefined> {
  const names = Object.keys(process.env).filter((name) => name.startsWith("CONSUL_"));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
