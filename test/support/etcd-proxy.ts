// etcd's own gRPC proxy in front of a real etcd.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Etcd, freePorts } from "./etcd.ts";
import { eventually } from "./eventually.ts";
import { type Child, start } from "./process.ts";

/** A running `etcd grpc-proxy`. */
export interface EtcdProxy {
  /** Where clients reach it: `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** What it printed, for messages of failing tests. */
  readonly lines: readonly string[];
  /** Ends it with SIGKILL and starts it again on the same port; settles when it serves. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one, with more arguments such as `--namespace=team/`, and waits until it serves. */
export async function startEtcdProxy(etcd: Etcd, ...args: readonly string[]): Promise<EtcdProxy> {
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const dataDir = await mkdtemp(join(tmpdir(), "connect-lb-etcd-proxy-"));
  let child: Child;
  const run = async () => {
    child = start("etcd", [
      "grpc-proxy",
      "start",
      `--endpoints=127.0.0.1:${etcd.port}`,
      `--listen-addr=127.0.0.1:${port}`,
      `--advertise-client-url=127.0.0.1:${port}`,
      `--data-dir=${dataDir}`,
      ...args,
    ]);
    await eventually("the proxy serves", async () => {
      if (child.exit !== undefined) throw new Error(`it ended; its output:\n${child.lines.join("\n")}`);
      return (await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) })).ok;
    }, 60_000);
  };
  await run();
  return {
    url,
    get lines() {
      return child.lines;
    },
    async restart() {
      await child.kill();
      await run();
    },
    async stop() {
      await child.kill();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
