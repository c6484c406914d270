import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { put, type Running, startAt } from "../../test/peers/programs.ts";
import { find } from "../../test/support/system.ts";
import { envoy } from "./envoy.ts";

/** How a peer is started, and how it tells its version. */
interface Peer {
  readonly program: () => string;
  /** The file in peers/. */
  readonly config: string;
  readonly args: (config: string, folder: string) => readonly string[];
  readonly versionArgument: string;
}

type Name = "nginx" | "HAProxy" | "Envoy";

const PEERS: Readonly<Record<Name, Peer>> = {
  nginx: {
    program: () => find("nginx")!,
    config: "nginx.conf",
    args: (config, folder) => ["-p", folder, "-e", "stderr", "-c", config],
    versionArgument: "-v",
  },
  HAProxy: {
    program: () => find("haproxy")!,
    config: "haproxy.cfg",
    args: (config) => ["-db", "-f", config],
    versionArgument: "-v",
  },
  Envoy: {
    program: envoy,
    config: "envoy.yaml",
    args: (config) => ["-c", config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"],
    versionArgument: "--version",
  },
};

/** Starts a peer in front of two servers, with its configuration of peers/. @throws Error if it does not listen */
export async function startPeer(name: Name, upstream: readonly string[]): Promise<Running & { address: string }> {
  const { program, config, args } = PEERS[name];
  const running = await startAt(program(), 1, async (folder, [port]) => {
    const values: Record<string, string> = {
      port: `${port}`,
      folder,
      // Workers of a root process run as somebody who can't read its folder.
      user: process.getuid?.() === 0 ? "user root;" : "",
    };
    upstream.forEach((address, at) => {
      const [host = "", port = ""] = address.split(":");
      Object.assign(values, {
        [`upstream-${at + 1}`]: address,
        [`upstream-${at + 1}-host`]: host,
        [`upstream-${at + 1}-port`]: port,
      });
    });
    const template = readFileSync(new URL(`peers/${config}`, import.meta.url), "utf8");
    const text = template.replace(/\{\{([\w-]+)\}\}/g, (_, key: string) => {
      if (values[key] === undefined) throw new Error(`peers/${config} asks for {{${key}}}, which is nothing`);
      return values[key];
    });
    return args(await put(folder, config, text), folder);
  });
  return { ...running, address: `127.0.0.1:${running.ports[0]}` };
}

/** A peer with its version, for example "nginx 1.22.1". */
export function versionOfPeer(name: Name): string {
  const { program, versionArgument } = PEERS[name];
  // nginx tells it on standard error.
  const text = execFileSync("sh", ["-c", '"$0" "$1" 2>&1', program(), versionArgument], { encoding: "utf8" });
  return `${name} ${/\d+\.\d+\.\d+/.exec(text)?.[0] ?? "of an unknown version"}`;
}
