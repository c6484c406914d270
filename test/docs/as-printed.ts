// What tests need to run code blocks as printed in a new folder. Only this is different then: `connect-lb` is installed
// from a packed file, and the ports 2379, 8000 and 8080 are others, which are free.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { root } from "../support/process.ts";
import { allBlocks } from "./blocks.ts";

/** A code block's text by its name, such as `docs/usage.md: TLS`. */
export function block(name: string): string {
  const found = allBlocks().find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`there is no code block ${name}`);
  return found.text;
}

/** Runs a command; its output goes to this one's. Throws if it fails. */
export function run(cwd: string, command: string, ...args: string[]): void {
  console.log(`$ ${command} ${args.join(" ")}`);
  execFileSync(command, args, { cwd, stdio: "inherit" });
}

/** Packs the package as npm would publish it into a folder, and returns the file. */
export function pack(folder: string): string {
  run(root, "npm", "pack", "--silent", "--pack-destination", folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack wrote no package");
  return join(folder, tarball);
}

/** Runs the commands of a block, one on each line, with the packed file for `connect-lb`. */
export function runCommands(cwd: string, text: string, tarball: string): void {
  for (const line of text.trim().split("\n")) {
    const [command = "", ...args] = line.split(" ").map((word) => word === "connect-lb" ? tarball : word);
    run(cwd, command, ...args);
  }
}

/** The ports in place of 2379, 8000 and 8080. */
export interface Ports {
  readonly etcd: number;
  readonly server: number;
  readonly web: number;
}

/** Ports that were free a moment ago, beside that of an etcd. */
export async function freePorts(etcdUrl: string): Promise<Ports> {
  return { etcd: Number(new URL(etcdUrl).port), server: await freePort(), web: await freePort() };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => typeof address === "object" && address !== null ? resolve(address.port) : reject());
    });
  });
}

/** Puts other ports in the place of those that the pages use. */
export function withPorts(text: string, { etcd, server, web }: Ports): string {
  return text.replaceAll(/\b2379\b/g, String(etcd)).replaceAll(/\b8000\b/g, String(server))
    .replaceAll(/\b8080\b/g, String(web));
}
